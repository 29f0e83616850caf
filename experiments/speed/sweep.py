"""What do slots of one thread give over one run after the other, and what does a slot take beside its jobs?"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from startup import training_and_end
from timing import Rows

from pets_seg.launch.slots import count_cores

PAGE = Path(__file__).parents[2] / "docs" / "launcher.md"
NETWORK = ["model.width=16", "data.size=64"]
RUNS = 8
# Of the application on that page.
JOBS, SECONDS = 100, 1


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the two tables."""
    cores = count_cores()
    rows: Rows = []
    for place, threads, words in (
        ("one after the other", cores, []),
        (f"{cores} slots", 1, ["hydra/launcher=local", f"hydra.launcher.slots={cores}"]),
    ):
        with tempfile.TemporaryDirectory() as folder:
            pace, found = _train(Path(folder), device, threads, words)
        first = rows[0]["images a second"] if rows else f"{pace:.1f}"
        rows.append(
            {
                f"{RUNS} runs": f"{place}, {threads} thread{'s' if threads > 1 else ''} each",
                "images a second": f"{pace:.1f}",
                "ratio": f"{pace / float(first):.2f}",
                "from a run's end to the next one's training": f"{median(found):.2f} s" if found else "-",
            }
        )
    yield f"A sweep in slots: {' '.join(NETWORK)}, bundled sample, 1 epoch with validation and test", rows
    with tempfile.TemporaryDirectory() as folder:
        share, between = _application(Path(folder), cores)
    yield (
        f"{JOBS} jobs of {SECONDS} s that compute nothing, in {cores} slots",
        [{"of the time of the slots": f"{share:.1%}", "beside it, a job": f"{between:.2f} s"}],
    )


def _train(folder: Path, device: torch.device, threads: int, words: list[str]) -> tuple[float, list[float]]:
    """Return the images a second of all runs of a sweep together, and the pauses between the runs of a process."""
    settings = [*NETWORK, "train.epochs=1", "tracker=none", f"train.device={device}"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def command(*more: str) -> None:
        line = [sys.executable, "-m", "pets_seg.run", *settings, *more]
        subprocess.run(line, cwd=folder, env=environment, check=True, capture_output=True)

    # The images are decoded beforehand.
    command("name=before")
    command("-m", *words, f"seed=range({RUNS})")
    processes = defaultdict(list)
    images = 0
    for log in folder.glob("runs/default/*/train.log"):
        pid = json.loads((log.parent / "status.json").read_text())["pid"]
        images += json.loads((log.parent / "summary.json").read_text())["images_seen"]
        processes[pid].append(training_and_end(log))
    every = [moment for runs in processes.values() for run in runs for moment in run]
    pauses = [
        start - end
        for runs in processes.values()
        for (_, end), (start, _) in pairwise(sorted(runs, key=lambda run: run[0]))
    ]
    return images / (max(every) - min(every)), pauses


def _application(folder: Path, slots: int) -> tuple[float, float]:
    """Return what part of the slots' time jobs took, from the start of the sweep to its end, and the rest for a job."""
    for kind, name in (("python", "app.py"), ("yaml", "config.yaml")):
        [text] = re.findall(rf"```{kind}\n# {re.escape(name)}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
        (folder / name).write_text(text)
    words = [f"rate=range(1,{JOBS + 1})", f"seconds={SECONDS}", "steps=1", "hydra.sweep.dir=out"]
    local = ["hydra/launcher=local", f"hydra.launcher.slots={slots}"]
    subprocess.run([sys.executable, "app.py", "-m", *words, *local], cwd=folder, check=True, capture_output=True)
    progress: dict[str, Any] = json.loads((folder / "out" / "progress.json").read_text())
    whole = _seconds(progress["ended"]) - _seconds(progress["started"])
    waits = whole * slots - JOBS * SECONDS
    return JOBS * SECONDS / (whole * slots), waits / JOBS


def _seconds(clock: str) -> float:
    return datetime.fromisoformat(clock).timestamp()
