"""How far the jobs of a sweep are, as their run folders say; read without pandas."""

import csv
import json
import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heapreplace
from pathlib import Path

import yaml

from pets_seg.errors import escaped
from pets_seg.machine.files import read_limited
from pets_seg.run_folder.names import METRICS, OVERRIDES, STATUS
from pets_seg.run_folder.process import ENDED, has_ended

# In signs, and in bytes.
LONGEST_LABEL, LARGEST_OVERRIDES = 120, 100_000
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
STATES = ("running", "queued", "failed", "interrupted", "finished")


@dataclass(frozen=True)
class Job:
    """A job of a sweep: its run, the words that it was given, none where they are unknown, its seed and its epochs."""

    run: str
    words: tuple[str, ...]
    seed: int
    # 0 where they are unknown.
    epochs: int


@dataclass
class Progress:
    """How far a job is; `label` as `labels` returns it; times are seconds since 1970, 0 where not known."""

    job: Job
    label: str = ""
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


def found_jobs(folder: Path) -> list[Job]:
    """Return the runs that are there as jobs."""
    names = sorted(path.parent.name for path in folder.glob(f"*/{STATUS}"))
    return [Job(name, _words(folder / name), int(_parts(name)[1] or 0), 0) for name in names]


def labels(jobs: Sequence[Job]) -> list[str]:
    """Return what tells each job from the others but for its seed: the words that not all have, "" if none has any.

    Where there are no such words it is the name of the run, where they do not suffice its digest is added.
    """
    common = set.intersection(*given) if (given := [set(job.words) for job in jobs if job.words]) else set()
    own = [[word for word in job.words if word not in common and not word.startswith("seed=")] for job in jobs]
    if any(own) or not all(job.words for job in jobs):
        own = [words or [_parts(job.run)[0]] for words, job in zip(own, jobs, strict=True)]
    known = [" ".join(words)[:LONGEST_LABEL] for words in own]
    alike = Counter((label, job.seed) for label, job in zip(known, jobs, strict=True))
    return [
        f"{label} {_parts(job.run)[2]}".strip() if alike[label, job.seed] > 1 else label
        for label, job in zip(known, jobs, strict=True)
    ]


def _parts(run: str) -> tuple[str, str, str]:
    """Return the parts of a run's name: groups, seed and digest; all of a name of another form is the first."""
    match = re.fullmatch(r"(.+)-s(\d{1,19})-([^-]+)", run)
    return (match[1], match[2], match[3]) if match else (run, "", "")


def _words(run: Path) -> tuple[str, ...]:
    """Return the words that a run was given, nothing where that cannot be read."""
    try:
        words = yaml.load(read_limited(run / OVERRIDES, LARGEST_OVERRIDES), LOADER)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return ()
    return tuple(map(str, words)) if isinstance(words, list) else ()


def read_progress(folder: Path, jobs: Sequence[Job]) -> list[Progress]:
    """Return how far the jobs of the sweep in `folder` are; one that has no run that can be read is queued."""
    return [_read(folder, job, label) for job, label in zip(jobs, labels(jobs), strict=True)]


def _read(folder: Path, job: Job, label: str) -> Progress:
    try:
        status = json.loads((folder / job.run / STATUS).read_text(encoding="utf-8"))
        state = status["state"] if status.get("state") in STATES else "queued"
        began, ended = (_seconds(status.get(key)) for key in ("since", "ended"))
    except (OSError, ValueError, AttributeError):
        return Progress(job, label)
    failure = status.get("error")
    error = escaped(str(failure.get("message")))[:300] if isinstance(failure, dict) else ""
    if state == "running" and has_ended(status):
        state, error = "interrupted", ENDED
    found = Progress(job, label, state, error, began, ended)
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
