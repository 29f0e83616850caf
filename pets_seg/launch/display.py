"""The lines of a sweep on the terminal: one for each job that runs, or, without a terminal, one for each that ends."""

import shutil
import sys
import time
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from .application import DONE, NOT_STARTED
from .job import QUEUED, RUNNING, Job
from .slots import Slot

# In seconds between two pictures of the jobs that run.
REDRAW_EVERY = 0.5


class Display:
    """Prints what becomes of jobs; on a terminal the jobs that run stand below, and are drawn again and again."""

    def __init__(self) -> None:
        self.live = sys.stdout.isatty()
        self.lines = 0
        self.drawn = 0.0

    def begin(self, jobs: Sequence[Job], slots: Sequence[Slot], end: float | None) -> None:
        """Print how many jobs there are, where they run, and when they will have ended if that is known."""
        count = f"{len(slots)} slot{'s' if len(slots) > 1 else ''}"
        gpus = len({slot.gpu for slot in slots if slot.gpu})
        where = f"{count} on {gpus} GPU{'s' if gpus > 1 else ''}" if gpus else f"{count} of {slots[0]}"
        self.say(f"{len(jobs)} job{'s' if len(jobs) != 1 else ''} in {where}{f', {_ends(end)}' if end else ''}")

    def ended(self, job: Job, jobs: Sequence[Job], end: float | None) -> None:
        """Print how a job ended."""
        over = sum(item.state not in (QUEUED, RUNNING) for item in jobs)
        what = f"done in {duration(job.ended - job.began)}" if job.state == DONE else f"{job.state}: {job.reason}"
        shown = f", {figures}" if job.state == DONE and (figures := _shown(job.figures)) else ""
        later = f"; {_ends(end)}" if end and over < len(jobs) else ""
        self.say(f"[{over}/{len(jobs)}] {job.name}: {what}{shown}{later}")

    def say(self, line: str) -> None:
        """Print a line above those of the jobs that run."""
        self._erase()
        print(line, flush=True)

    def is_due(self) -> bool:
        """Return whether it is time to draw the jobs anew."""
        return self.live and time.monotonic() - self.drawn >= REDRAW_EVERY

    def draw(self, jobs: Sequence[Job], end: float | None) -> None:
        """Draw the jobs that run anew, on a terminal."""
        if not self.live:
            return
        self.drawn = time.monotonic()
        size = shutil.get_terminal_size((80, 24))
        running = [job for job in jobs if job.state == RUNNING]
        # As many as fit, with a line for the others and one for all.
        most = max(1, size.lines - 3)
        lines = [_running(job) for job in running[:most]]
        if len(running) > most:
            lines.append(f"and {len(running) - most} more")
        lines.append(_all(jobs, end))
        self._erase()
        sys.stdout.write("".join(f"{line[: size.columns - 1]}\n" for line in lines))
        sys.stdout.flush()
        self.lines = len(lines)

    def close(self) -> None:
        """Remove what was drawn."""
        self._erase()
        sys.stdout.flush()

    def _erase(self) -> None:
        if self.lines:
            sys.stdout.write(f"\033[{self.lines}A\033[J")
            self.lines = 0


def duration(seconds: float) -> str:
    """Return a length of time in a fitting unit: 0.4 s, 12 s, 6 min, 2.5 h."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"


def _running(job: Job) -> str:
    left = job.seconds_left()
    if not job.began:
        time_left = "starting"
    else:
        time_left = f"{duration(time.time() - job.began)} passed" if left is None else f"{duration(left)} left"
    return "  ".join(part for part in (job.name, _shown(job.figures), time_left) if part)


def _all(jobs: Sequence[Job], end: float | None) -> str:
    counts = {
        "done": sum(job.state == DONE for job in jobs),
        "failed": sum(job.failed for job in jobs),
        "not started": sum(job.state == NOT_STARTED for job in jobs),
        "queued": sum(job.state == QUEUED for job in jobs),
    }
    parts = [f"{counts['done']} of {len(jobs)} done"]
    parts += [f"{counts[name]} {name}" for name in ("failed", "not started", "queued") if counts[name]]
    return ", ".join(parts) + (f"; {_ends(end)}" if end else "")


def _ends(end: float) -> str:
    moment = datetime.fromtimestamp(end)
    day = "" if moment.date() == date.today() else f"{moment:%a %d %b} "
    return f"ends about {day}{moment:%H:%M}"


def _shown(figures: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if name != "done"
    )
