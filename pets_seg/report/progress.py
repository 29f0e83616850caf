"""How far the jobs of a sweep are, as their run folders say; read without pandas."""

import csv
import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heapreplace
from pathlib import Path

from pets_seg.errors import escaped
from pets_seg.run_folder.names import METRICS, STATUS

STATES = ("running", "queued", "failed", "interrupted", "finished")


@dataclass(frozen=True)
class LiveJob:
    """A job of the sweep: its run, in what it differs from the others but for its seed, and its epochs."""

    run: str
    label: str
    seed: int
    epochs: int


@dataclass
class Progress:
    """How far a job is; times are seconds since 1970, 0 where not known."""

    job: LiveJob
    state: str = "queued"
    error: str = ""
    began: float = 0.0
    ended: float = 0.0
    rows: list[dict[str, str]] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The last epoch."""
        return int(self.number("epoch")) if self.rows else 0

    @property
    def dice(self) -> float:
        """The best validation Dice so far."""
        return max((number(row, "val/dice") for row in self.rows), default=math.nan)

    def number(self, column: str) -> float:
        """Return a figure of the last epoch."""
        return number(self.rows[-1], column) if self.rows else math.nan

    def left(self, typical: float, now: float) -> float:
        """Return about how many seconds it still takes, `typical` being those of a whole job."""
        if self.rows:
            seconds = [number(row, "seconds") for row in self.rows]
            return (self.job.epochs - self.epoch) * sum(seconds) / len(seconds)
        return max(0.0, typical - (now - self.began if self.began else 0.0))


def found_jobs(folder: Path) -> list[LiveJob]:
    """Return the runs that are there as jobs; their names without seed and digest tell them apart."""
    jobs = []
    for path in sorted(folder.glob(f"*/{STATUS}")):
        name = path.parent.name
        label, _, rest = name.rpartition("-s")
        seed = rest.partition("-")[0]
        jobs.append(LiveJob(name, label or name, int(seed) if seed.isdigit() else 0, 0))
    return jobs


def read_progress(folder: Path, job: LiveJob) -> Progress:
    """Return how far a job of the sweep in `folder` is; one that has no run that can be read is queued."""
    try:
        status = json.loads((folder / job.run / STATUS).read_text(encoding="utf-8"))
        state = status["state"] if status.get("state") in STATES else "queued"
        began, ended = (_seconds(status.get(key)) for key in ("since", "ended"))
    except (OSError, ValueError, AttributeError):
        return Progress(job)
    failure = status.get("error")
    error = escaped(str(failure.get("message")))[:300] if isinstance(failure, dict) else ""
    found = Progress(job, state, error, began, ended)
    with suppress(OSError, UnicodeDecodeError, csv.Error), open(folder / job.run / METRICS, encoding="utf-8") as file:
        found.rows = [*csv.DictReader(file)]
    return found


def time_left(known: Sequence[Progress]) -> float | None:
    """Return the seconds until the last job ends, if as many run side by side as now; None while that is unknown."""
    now = time.time()
    took = [item.ended - item.began for item in known if item.state == "finished" and item.ended > item.began > 0]
    running = [item for item in known if item.state == "running"]
    took = took or [
        item.job.epochs * sum(number(row, "seconds") for row in item.rows) / len(item.rows)
        for item in running
        if item.rows
    ]
    queued = sum(item.state == "queued" for item in known)
    if not took or not running or not all(item.job.epochs for item in known):
        return None
    typical = sum(took) / len(took)
    slots = [item.left(typical, now) for item in running]
    heapify(slots)
    for _ in range(queued):
        heapreplace(slots, slots[0] + typical)
    left = max(slots)
    return left if math.isfinite(left) else None


def number(row: dict[str, str], column: str) -> float:
    """Return a figure of a row of metrics.csv, NaN where it has none."""
    with suppress(KeyError, TypeError, ValueError):
        return float(row[column])
    return math.nan


def _seconds(text: object) -> float:
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(str(text)).timestamp()
    return 0.0
