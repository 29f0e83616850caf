"""Run by `make gpu`: tests, paces, repetition and a profile on a CUDA device, in less than 12 minutes.

It needs a Python that has what the project depends on (W&B apart), and neither network nor installation. Each part is a
process with a time limit of its own, and one that fails stops no other. Everything is kept in one folder.
"""

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from verdict import row, verdict

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Without it runs work, with tracker=none.
NOT_NEEDED = {"wandb"}


@dataclass(frozen=True)
class Part:
    """A command, the file that it leaves, the seconds that it may take, and whether the file is what it prints."""

    name: str
    leaves: str
    seconds: int
    command: list[str]
    prints: bool = False


def parts(device: str, out: Path, trial: bool) -> list[Part]:
    """Return the parts of a visit; their limits are 700 seconds in all. A trial is as small as can be."""
    on = ["--device", device]
    tests = ["-m", "pytest", "-vv", "-m", "gpu", str(ROOT / "tests" / "gpu"), "-p", "no:cacheprovider"]
    if importlib.util.find_spec("xdist"):
        tests += ["-n", str(min(4, os.cpu_count() or 1))]
    with suppress(PackageNotFoundError):
        # So that there is a result of what was tested until then; older versions do not know it.
        if [*map(int, version("pytest-timeout").split(".")[:2])] >= [2, 3]:
            tests.append("--session-timeout=165")
    size = ["--images", "32", "--epochs", "2", "--workers", "0", "--seconds", "0.1"] if trial else []
    # So many images that an epoch takes a second or two.
    cases = {"unet 64 256": (90, ["--images", "1056"]), "unet 64 128": (50, []), "resnet34_unet 32 128": (55, [])}
    cases |= {"unet 16 64": (50, ["--images", "4256"])}
    small = {"unet 2 32": (0, [])}
    pace = [
        Part(
            f"pace of {case}",
            "pace.csv",
            limit,
            [str(HERE / "peers.py"), case, str(out / "pace.csv"), *on, *more, *size],
        )
        for case, (limit, more) in (small if trial else cases).items()
    ]
    bench = [str(ROOT / "experiments" / "speed" / "bench.py"), *on, "--only", "augmentation,epoch", "--seconds", "1.5"]
    jobs = ["--case", "unet 2 32", "--jobs", "1", "2", "--seconds", "0.1"] if trial else []
    repeats = ["--cases", "unet 2 32", "--settings", "train.epochs=1"] if trial else []
    kernels = ["--case", "unet 2 32", "--steps", "2"] if trial else []
    commands = [
        Part("tests", "tests.xml", 180, [*tests, f"--junitxml={out / 'tests.xml'}"]),
        *pace,
        Part("jobs", "jobs.csv", 75, [str(HERE / "jobs.py"), str(out / "jobs.csv"), *on, *jobs]),
        Part("repeats", "repeats.csv", 90, [str(HERE / "repeats.py"), str(out / "repeats.csv"), *on, *repeats]),
        Part("kernels", "kernels.csv", 35, [str(HERE / "kernels.py"), str(out / "kernels.csv"), *on, *kernels]),
        Part("benchmark", "benchmark.md", 75, bench, prints=True),
    ]
    # A trial may meet a slow machine.
    return [
        replace(one, command=[sys.executable, *one.command], seconds=600 if trial else one.seconds) for one in commands
    ]


def perform(part: Part, out: Path, environment: dict[str, str]) -> str:
    """Run a part, keep what it printed in log.txt, and return why it failed; "" if it did not."""
    started = time.monotonic()
    with ExitStack() as kept:
        elsewhere = kept.enter_context(tempfile.TemporaryDirectory())
        log = kept.enter_context(open(out / "log.txt", "ab"))
        log.write(f"\n==== {part.name}\n".encode())
        log.flush()
        if part.prints:
            log = kept.enter_context(open(out / part.leaves, "wb"))
        process = subprocess.Popen(
            part.command, cwd=elsewhere, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(part.seconds)
            failed = f"exit code {code}" if code else ""
        except subprocess.TimeoutExpired:
            failed = f"stopped after {part.seconds} seconds"
        finally:
            # Its children too: the part is the first of a group of its own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    print(f"{part.name}: {failed or 'done'} ({time.monotonic() - started:.0f} s)", flush=True)
    return failed


def lacking() -> list[str]:
    """Return the packages that the project depends on and this Python lacks."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found = []
    for name in (re.split(r"[^\w-]", word)[0] for word in declared):
        try:
            version(name)
        except PackageNotFoundError:
            found.append(name)
    return [name for name in found if name not in NOT_NEEDED]


def link_package(folder: Path) -> None:
    """Make in `folder` what an installation would: the package with its configuration, as links to this checkout."""
    package = folder / "pets_seg"
    package.mkdir()
    for path in (ROOT / "pets_seg").iterdir():
        if path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    (package / "conf").symlink_to(ROOT / "conf")


def describe(device: str) -> tuple[str, str]:
    """Return the name of the card and a line of what was measured on; raise SystemExit where it is not there."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        print("make gpu: no CUDA device here", file=sys.stderr)
        raise SystemExit(2)
    sys.path.insert(0, str(ROOT / "experiments" / "speed"))
    from timing import describe_machine

    machine = describe_machine(torch.device(device))
    commit = ""
    with suppress(OSError):
        command = ["git", "-C", ROOT, "rev-parse", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    facts = {**machine, "cuda": torch.version.cuda, "processors": os.cpu_count(), "commit": commit or "unknown"}
    return machine["device"], ", ".join(f"{key} {value}" for key, value in facts.items())


def table_of(rows: list[dict[str, str]]) -> str:
    """Return rows as a Markdown table."""
    from timing import table

    return table([{key: value.replace("|", "/") for key, value in one.items()} for one in rows])


def main() -> None:
    """Do all parts and print the table; exit code 1 if a part failed, 2 if there is nothing to measure on."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--device", default="cuda", choices=("cuda", "cpu"))
    add("--out", type=Path, help="folder to keep the results in; default: results/<card>/ beside this script")
    add("--only", help="parts, with commas between them, by the first words of their names")
    add("--trial", action="store_true", help="as small as can be: tries this script, measures nothing")
    arguments = parser.parse_args()
    if missing := lacking():
        print(f"make gpu: this Python, {sys.executable}, lacks {', '.join(missing)}", file=sys.stderr)
        raise SystemExit(2)
    card, machine = describe(arguments.device)
    slug = re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-")
    out = (arguments.out or HERE / "results" / slug).absolute()
    out.mkdir(parents=True, exist_ok=True)
    chosen = parts(arguments.device, out, arguments.trial)
    # What an earlier visit left would be taken for this one's.
    chosen = [part for part in chosen if part.name.startswith(tuple((arguments.only or "").split(",")))]
    for name in {part.leaves for part in chosen}:
        (out / name).unlink(missing_ok=True)
    started, failures = time.monotonic(), {}
    with tempfile.TemporaryDirectory() as folder:
        link_package(Path(folder))
        paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "XDG_CACHE_HOME": f"{folder}/cache"}
        environment["PYTHONUNBUFFERED"] = "1"
        for part in chosen:
            failures[part.name] = perform(part, out, environment)
            seconds = time.monotonic() - started
            rows = verdict(out)
            rows += [row(name, f"{why}; log.txt says more", "", False) for name, why in failures.items() if why]
            rows.append(row("the whole visit", f"{seconds / 60:.1f} minutes", "12 minutes or less", seconds <= 720))
            page = f"# What was measured\n\n{machine}\n\n{table_of(rows)}\n"
            # After every part: the visit may be cut off.
            (out / "table.md").write_text(page)
    print(f"\n{page}\nkept in {out}")
    raise SystemExit(any(failures.values()))


if __name__ == "__main__":
    main()
