"""Run by `make bench`: measures everything and writes one page of results for this machine."""

import argparse
import importlib
import sys
from pathlib import Path

from timing import describe_machine, slug, table

from pets_seg.config.register import register
from pets_seg.machine import cuda
from pets_seg.machine.device import resolve_device
from pets_seg.machine.files import write_text

RESULTS = Path(__file__).parent / "results"
PARTS = ("augmentation", "step", "epoch", "evaluation", "predict", "input", "checks", "settings", "startup", "sweep")


def parts(text: str) -> list[str]:
    """Return the parts that a list with commas names; ValueError for another word."""
    chosen = text.split(",")
    if not set(chosen) <= set(PARTS):
        raise ValueError
    return chosen


def main() -> None:
    """Print every table and keep them all on one page; with `--only`, print alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seconds", type=float, default=6.0, help="to spend on each row")
    parser.add_argument("--only", type=parts, help=f"measure some of {','.join(PARTS)}, and leave the page as it is")
    arguments = parser.parse_args()
    # It trains in this process, and need not ask another one for the GPUs.
    cuda.let_in()
    device = resolve_device(arguments.device)
    register()
    machine = describe_machine(device)
    page = ["# What this machine measured", "    make bench", ", ".join(f"{k} {v}" for k, v in machine.items())]
    print("\n\n".join(page), flush=True)
    for part in arguments.only or PARTS:
        measure = importlib.import_module(part)
        for title, rows in measure.tables(device, arguments.seconds):
            section = f"## {title}\n\n{table(rows)}"
            page.append(section)
            print(f"\n{section}", flush=True)
    if not arguments.only:
        path = RESULTS / f"{slug(machine)}.md"
        write_text(path, "\n\n".join(page) + "\n")
        print(f"\nkept in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
