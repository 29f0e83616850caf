"""How long does the command line take to answer, and what passes between two jobs of a sweep?"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median

import torch
from timing import Rows

BARE = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def run(cfg):
    pass

run()
"""
JOBS = 6
NETWORK = ["model.width=8"]
ROUNDS = 7
LINE = re.compile(r"^(?P<time>[\d-]+ [\d:]+,\d+) ")


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the two tables."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        commands = {
            "a bare Hydra application": [str(bare), "--help"],
            "python -m pets_seg.run": ["-m", "pets_seg.run", "--help"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, arguments in commands.items():
                started = time.perf_counter()
                _python(arguments, folder)
                times[name].append(time.perf_counter() - started)
    shortest = median(times["a bare Hydra application"])
    yield (
        "The answer to --help",
        [
            {"application": name, "seconds": f"{median(found):.2f}", "ratio": f"{median(found) / shortest:.2f}"}
            for name, found in times.items()
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        first, pauses = sweep(Path(folder), device)
    yield (
        f"A sweep of {JOBS} jobs in one process, UNet width 8, bundled sample at 64 px",
        [
            {"from": "the command to the first job's training", "seconds": f"{first:.2f}"},
            {"from": "a job's end to the next one's training, median", "seconds": f"{median(pauses):.2f}"},
            {"from": "the same, longest", "seconds": f"{max(pauses):.2f}"},
        ],
    )


def sweep(folder: Path, device: torch.device) -> tuple[float, list[float]]:
    """Return the seconds from the command to the first epoch, and from the end of each job to the next one's epoch."""
    settings = [*NETWORK, "train.epochs=1", "tracker=none", f"train.device={device}"]
    # The images are decoded beforehand.
    _python(["-m", "pets_seg.run", *settings, "name=before"], folder)
    began = time.time()
    _python(["-m", "pets_seg.run", "-m", *settings, f"seed={','.join(map(str, range(JOBS)))}"], folder)
    jobs = sorted(training_and_end(path) for path in folder.glob("runs/default/*/train.log"))
    starts, ends = [job[0] for job in jobs], [job[1] for job in jobs]
    return starts[0] - began, [start - end for start, end in zip(starts[1:], ends, strict=False)]


def training_and_end(path: Path) -> tuple[float, float]:
    """Return when a job's epoch began and when its last line was written, in seconds."""
    lines = [line for line in path.read_text().splitlines() if LINE.match(line)]
    written = [datetime.strptime(LINE.match(line)["time"], "%Y-%m-%d %H:%M:%S,%f").timestamp() for line in lines]
    [epoch_end] = [when for when, line in zip(written, lines, strict=True) if " INFO epoch " in line]
    heads, row = (line.split(",") for line in (path.parent / "metrics.csv").read_text().splitlines())
    return epoch_end - float(row[heads.index("seconds")]), written[-1]


def _python(arguments: list[str], folder: str | Path) -> None:
    subprocess.run([sys.executable, *arguments], cwd=folder, check=True, capture_output=True)
