"""Does a run with train.deterministic=true repeat itself bit for bit? Each network is trained twice and compared."""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

# First, since packages of these names exist.
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from ours import overrides_of
from outcome import check_same, outcome

CASES = ("unet 16 64", "resnet34_unet 32 64")
SETTINGS = ["train.deterministic=true", "train.keep_state=true", "train.epochs=2", "aug=strong", "train.ema=0.9"]


def difference(case: str, device: str, settings: list[str]) -> str:
    """Return where two runs of the same settings first differ; "" if they are the same."""
    overrides = [*overrides_of(case), *SETTINGS, *settings, f"train.device={device}", "tracker=none"]
    with tempfile.TemporaryDirectory() as folder:
        runs = []
        for name in ("first", "second"):
            # One after the other: at once they would share the device, and its free memory.
            command = [sys.executable, "-m", "pets_seg.run", *overrides, f"name={name}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"a run of {case} failed: {(done.stderr or done.stdout).strip()[-500:]}")
            [run] = Path(folder, "runs", name).glob("*/")
            runs.append(outcome(run))
        try:
            check_same(*runs)
        except AssertionError as error:
            return str(error)
    return ""


def main() -> None:
    """Print what was found for each network, and write it into a CSV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("csv", type=Path)
    add("--device", default="auto")
    add("--cases", nargs="+", default=CASES, help="network, width and side in pixels")
    add("--settings", nargs="*", default=[], help="further overrides of the runs")
    arguments = parser.parse_args()
    with open(arguments.csv, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case", "differs_at"))
        for case in arguments.cases:
            where = difference(case, arguments.device, arguments.settings)
            writer.writerow((case, where))
            file.flush()
            print(f"{case}: {f'differs at {where}' if where else 'the same, bit for bit'}", flush=True)


if __name__ == "__main__":
    main()
