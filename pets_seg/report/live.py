"""The page of a sweep that is still running: the state of its jobs, their curves so far, and when it will end.

It is a report.html that reloads itself, until the full page takes its place. Whichever process has ended an epoch
writes it, so that it is the same for all launchers. It imports neither pandas nor Matplotlib.
"""

import json
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pets_seg.errors import RunError, escaped
from pets_seg.machine.files import write_text
from pets_seg.machine.terminal import duration
from pets_seg.report.progress import STATES, Job, Progress, found_jobs, number, read_progress, time_left
from pets_seg.report.study.words import PANELS, count
from pets_seg.run_folder.names import PAGE

# In the folder of a sweep while it runs.
FILE = ".live.json"
# In seconds, and in durations of the last writing, which so takes a fiftieth of the time at most.
EVERY, TIMES_ITS_DURATION = 30.0, 50
# Seconds after which the page takes the sweep for dead.
SILENT = 300
COLOURS = ("ink", "c0", "c1", "c2", "c3", "c4", "c5", "c6")
# Only the curves of so many runs are shown, those that were last at work, and so many points of each.
MOST_RUNS, MOST_POINTS = 60, 200
# How long this process needed for the last writing, by folder.
_took: dict[Path, float] = {}


def begin(folder: Path, jobs: Sequence[Job]) -> None:
    """Let the runs in the folder of a sweep show how far they are, in report.html, until `end`.

    Without `jobs`, where a sweeper or another machine chooses the runs, those that are there are shown.
    """
    content = {"started": _now(), "jobs": [asdict(job) for job in jobs]}
    # No run may fail for the sake of this page.
    with suppress(RunError):
        write_text(folder / FILE, json.dumps(content))


def end(folder: Path, stopped: bool = False) -> None:
    """Let no run write the page any more; where the sweep is `stopped` before its end, the page says so."""
    if not (folder / FILE).exists():
        return
    if stopped and (folder / PAGE).exists():
        _write(folder, stopped=True)
    with suppress(OSError):
        (folder / FILE).unlink()


def refresh(folder: Path) -> None:
    """Write the page of the sweep in `folder`, if one is running there and it is time; called after an epoch."""
    if (folder / FILE).exists() and _is_due(folder / PAGE):
        _write(folder)


def _is_due(page: Path) -> bool:
    try:
        age = time.time() - page.stat().st_mtime
    except OSError:
        return True
    return not 0 <= age < max(EVERY, TIMES_ITS_DURATION * _took.get(page.parent, 0.0))


def _write(folder: Path, stopped: bool = False) -> None:
    started = time.perf_counter()
    # Whatever is wrong with a file of another run, or with the disk, this run goes on.
    with suppress(Exception):
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        jobs = [Job(**{**job, "words": tuple(job["words"])}) for job in content["jobs"]]
        text = render(folder, jobs, content["started"], stopped)
        # The sweep may have ended meanwhile, and its full page be there.
        if (folder / FILE).exists():
            write_text(folder / PAGE, text)
    _took[folder] = time.perf_counter() - started


def render(folder: Path, jobs: Sequence[Job], started: str, stopped: bool = False) -> str:
    """Return the page."""
    # It is of no use to a run that is not in a sweep.
    from pets_seg.report.environment import environment, for_script

    known = read_progress(folder, jobs or found_jobs(folder))
    states = {state: sum(item.state == state for item in known) for state in STATES}
    order = sorted(known, key=lambda item: STATES.index(item.state))
    left = None if stopped else time_left(known)
    shown = {
        "name": folder.resolve().name,
        "folder": str(folder),
        "counts": ", ".join(f"{many} {state}" for state, many in states.items() if many),
        "jobs": order,
        "runs": count(len(order), "run"),
        "started": started,
        "updated": _now(),
        "left": None if left is None else duration(round(left)),
        "end": None if left is None else _iso(time.time() + left),
        "stopped": stopped,
        "silent": SILENT,
        "curves": for_script(curves(known)),
    }
    return environment().get_template("live.html.jinja").render(**shown)


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
