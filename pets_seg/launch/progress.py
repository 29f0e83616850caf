"""How far a sweep is: when it will end, and the file that tells other programs."""

import heapq
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import mean

from .application import DONE
from .job import QUEUED, RUNNING, Job

FILE = "progress.json"
# In seconds, and in durations of a writing, between two writings.
WRITE_EVERY, TIMES_ITS_DURATION = 1.0, 20
# In seconds: a later end follows from a job that has told too little of itself.
FARTHEST_END = 10 * 365 * 86_400


def sweep_end(jobs: Sequence[Job], slots: int) -> float | None:
    """Return the time at which all jobs will have ended, if each slot takes the next one when it is free.

    None while it is not known of any job how long it takes.
    """
    now = time.time()
    left = {job: job.seconds_left() for job in jobs if job.state == RUNNING}
    typical = _typical(jobs, left, now)
    free: list[float] = []
    for job, seconds in left.items():
        if seconds is None:
            if typical is None:
                return None
            seconds = max(0.0, typical - (now - job.began if job.began else 0.0))
        free.append(now + seconds)
    free += [now] * (slots - len(free))
    queued = [typical if job.expected is None else job.expected for job in jobs if job.state == QUEUED]
    known = [seconds for seconds in queued if seconds is not None]
    end = last_end(free, known) if len(known) == len(queued) else None
    return None if end is None or end > now + FARTHEST_END else end


def last_end(free: Sequence[float], seconds: Iterable[float]) -> float:
    """Return when the last job ends if slots are `free` at these times, and each takes the next of the jobs then."""
    slots = [*free]
    heapq.heapify(slots)
    for job in seconds:
        heapq.heapreplace(slots, slots[0] + job)
    return max(slots)


def _typical(jobs: Sequence[Job], left: Mapping[Job, float | None], now: float) -> float | None:
    """Return how many seconds a job takes by those that are done, until then by those that run."""
    done = [job for job in jobs if job.state == DONE]
    # A job that reports nothing may have found that there is nothing to do.
    took = [job.ended - job.began for job in done if job.figures] or [job.ended - job.began for job in done]
    took = took or [now - job.began + seconds for job, seconds in left.items() if seconds is not None and job.figures]
    return mean(took) if took else None


class ProgressFile:
    """Writes progress.json in the sweep's folder, not so often that it costs much."""

    def __init__(self, folder: Path) -> None:
        self.path, self.written, self.took = folder / FILE, 0.0, 0.0
        self.started = time.time()

    def is_due(self) -> bool:
        """Return whether it is time to write."""
        return time.time() - self.written >= max(WRITE_EVERY, TIMES_ITS_DURATION * self.took)

    def write(self, jobs: Sequence[Job], end: float | None, last: bool = False) -> None:
        """Write the state of all jobs, now or for the `last` time; a full disk is no reason to stop."""
        begun = time.time()
        content = {
            "host": platform.node(),
            "pid": os.getpid(),
            "started": _clock(self.started),
            "updated": _clock(begun),
            "ended" if last else "expected_end": _clock(begun if last else end),
            "jobs": [_entry(job) for job in jobs],
        }
        # Another command may be at the same sweep.
        part = self.path.with_name(f".{FILE}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            os.replace(part, self.path)
        except OSError:
            with suppress(OSError):
                part.unlink()
        self.written = time.time()
        self.took = self.written - begun


def _entry(job: Job) -> dict[str, object]:
    return {
        "number": job.number,
        "overrides": job.words,
        "state": job.state,
        "reason": job.reason or None,
        "attempts": job.attempts,
        "pid": job.pid if job.state == RUNNING else None,
        "began": _clock(job.began or None),
        "ended": _clock(job.ended or None),
        "figures": job.figures,
    }


def _clock(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 has it, with the offset of the local time."""
    return None if seconds is None else datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
