"""The page of a sweep that is still running: the state of its jobs, their curves so far, and when it will end.

It is a report.html that reloads itself, until the full page takes its place. Whichever process has ended an epoch
writes it, so that it is the same for all launchers. It imports neither pandas nor Matplotlib.
"""

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pets_seg.errors import escaped
from pets_seg.machine.files import open_regular, write_text
from pets_seg.machine.terminal import duration, shell
from pets_seg.report.at_work import Command, commands, is_worked_on, leave
from pets_seg.report.progress import STATES, Job, Progress, found_jobs, number, read_progress, time_left
from pets_seg.report.study.words import PANELS, count
from pets_seg.run_folder.names import PAGE

# By which the page is told from the full one.
KIND = '<meta name="kind" content="sweep that is not compared yet">'
# In seconds, and in durations of the last writing, which so takes a fiftieth of the time at most.
EVERY, TIMES_ITS_DURATION = 30.0, 50
# The page takes the sweep for dead after so many seconds, and so many of its longest epochs.
SILENT, SILENT_EPOCHS = 300, 3
COLOURS = ("ink", "c0", "c1", "c2", "c3", "c4", "c5", "c6")
# Only the curves of so many runs are shown, those that were last at work, and so many points of each.
MOST_RUNS, MOST_POINTS = 60, 200
# How long this process needed for the last writing, by folder.
_took: dict[Path, float] = {}


def refresh(folder: Path) -> None:
    """Write the page of the sweep in `folder`, if a command is at work there and it is time; called after an epoch."""
    if _is_due(folder / PAGE) and (known := commands(folder)):
        _write(folder, known)


def end(folder: Path, stopped: bool = False) -> None:
    """Say that this process is not at work on the sweep any more.

    Where the last command is `stopped` before its end, the page says so; a comparison stays.
    """
    known = commands(folder)
    leave(folder)
    if stopped and known and not is_worked_on(folder) and _is_of_this_kind(folder / PAGE):
        _write(folder, known, stopped=True)


def _is_due(page: Path) -> bool:
    try:
        age = time.time() - page.stat().st_mtime
    except OSError:
        return True
    return not 0 <= age < max(EVERY, TIMES_ITS_DURATION * _took.get(page.parent, 0.0))


def _is_of_this_kind(page: Path) -> bool:
    with suppress(OSError), open_regular(page) as file:
        return KIND.encode() in file.read(1000)
    return False


def _write(folder: Path, known: Sequence[Command], stopped: bool = False) -> None:
    started = time.perf_counter()
    # Whatever is wrong with a file of another run, or with the disk, this run goes on.
    with suppress(Exception):
        text = render(folder, _jobs(folder, known), _iso(min(command.began for command in known)), stopped)
        # The sweep may have ended meanwhile, and its full page be there.
        if stopped or is_worked_on(folder):
            write_text(folder / PAGE, text)
    _took[folder] = time.perf_counter() - started


def _jobs(folder: Path, known: Sequence[Command]) -> list[Job]:
    """Return the jobs of commands, each run once; where one does not know its jobs, the runs that are there too."""
    jobs = [job for command in known for job in command.jobs]
    if not all(command.jobs for command in known):
        jobs += found_jobs(folder)
    return [*{job.run: job for job in reversed(jobs)}.values()][::-1]


def render(folder: Path, jobs: Sequence[Job], started: str, stopped: bool = False) -> str:
    """Return the page."""
    # It is of no use to a run that is not in a sweep.
    from markupsafe import Markup

    from pets_seg.report.environment import environment, for_script

    known = read_progress(folder, jobs)
    states = {state: sum(item.state == state for item in known) for state in STATES}
    order = sorted(known, key=lambda item: STATES.index(item.state))
    left = None if stopped else time_left(known)
    shown = {
        "kind": Markup(KIND),
        "name": folder.resolve().name,
        "command": f"python -m pets_seg.run {shell(['task=report', f'runs={folder}'])}",
        "counts": ", ".join(f"{many} {state}" for state, many in states.items() if many),
        "progress": order,
        "runs": count(len(order), "run"),
        "started": started,
        "updated": _now(),
        "left": None if left is None else duration(round(left)),
        "end": None if left is None else _iso(time.time() + left),
        "stopped": stopped,
        "silent": silent_after(known),
        "curves": for_script(curves(known)),
    }
    return environment().get_template("live.html.jinja").render(**shown)


def silent_after(known: Sequence[Progress]) -> float:
    """Return after how many seconds without an epoch the sweep may be dead."""
    seconds = [number(row, "seconds") for item in known for row in item.rows]
    return max([SILENT, *(SILENT_EPOCHS * value for value in seconds if math.isfinite(value))])


def curves(known: Sequence[Progress]) -> dict[str, Any]:
    """Return the curves of the runs as `plotting.curve_data` does; one name, and so one colour, a label."""
    begun = [item for item in known if item.rows]
    labels = list(dict.fromkeys(item.label for item in known))
    shown = sorted(begun, key=lambda item: item.ended or math.inf)[-MOST_RUNS:]
    shown = [item for item in begun if item in shown]
    caption = "Every line is a run."
    if len(shown) < len(begun):
        caption += f" The {len(shown)} that were last at work are shown, of {len(begun)}."
    panels = []
    for column, title in PANELS.items():
        series = [_series(item, column, labels) for item in shown]
        panels.append({"title": title, "loss": column != "val/dice", "views": [{"unit": "epoch", "series": series}]})
    return {"panels": panels, "caption": caption}


def _series(item: Progress, column: str, labels: Sequence[str]) -> dict[str, Any]:
    step = -(-len(item.rows) // MOST_POINTS)
    # The last epoch is among them.
    rows = item.rows[::-1][::step][::-1]
    y = [value if math.isfinite(value := number(row, column)) else None for row in rows]
    place = labels.index(item.label)
    label = escaped(item.label) or "all runs"
    known: dict[str, Any] = {"name": f"{label}, seed {item.job.seed}", "group": label, "line": True}
    known |= {"x": [number(row, "epoch") for row in rows], "y": y}
    if place < len(COLOURS):
        return known | {"colour": COLOURS[place]}
    return known | {"colour": "other", "thin": True}


def _now() -> str:
    return _iso(time.time())


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
