"""A run, or a part of it, passed to a tracker in the order in which it was trained."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Protocol

from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import METRICS, STEPS
from pets_seg.run_folder.pictures import Picture, read_pictures


class Listener(Protocol):
    """A tracker that takes everything."""

    def log(self, row: Mapping[str, Any]) -> None:
        """Take the row of an epoch."""

    def log_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of some steps of the epoch whose row follows, or in which the run ended without one."""

    def log_pictures(self, epoch: int, pictures: list[Picture]) -> None:
        """Take the pictures of the epoch whose row follows."""

    def finish(self, summary: Mapping[str, Any], failed: bool) -> None:
        """Take the summary; nothing follows."""


def replay(
    listener: Listener,
    rows: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    pictures: Mapping[int, list[Picture]],
) -> Sequence[Mapping[str, Any]]:
    """Pass on the rows of epochs, before each one the `steps` up to its end and the pictures of its number.

    Returns the steps behind them.
    """
    begun = 0
    for row in rows:
        # Rows of older versions do not say how many steps there were; they have none.
        end = bisect_right(steps, row.get("updates") or 0, lo=begun, key=itemgetter("step"))
        if end > begun:
            listener.log_steps(steps[begun:end])
        begun = end
        if row["epoch"] in pictures:
            listener.log_pictures(row["epoch"], pictures[row["epoch"]])
        listener.log(row)
    return steps[begun:]


def replay_folder(listener: Listener, folder: Path) -> None:
    """Pass on what a run folder holds, and its summary."""
    run = RunFolder(folder)
    rows, steps = _numbers(run, METRICS), _numbers(run, STEPS)
    if rest := replay(listener, rows, steps, read_pictures(folder, last=rows[-1]["epoch"] if rows else 0)):
        listener.log_steps(rest)
    listener.finish(run.read_summary(), run.read_status().get("state") != "finished")


def _numbers(run: RunFolder, table: str) -> list[dict[str, Any]]:
    rows = run.read_rows(table) if (run.path / table).exists() else []
    return [{name: _number(text) for name, text in row.items()} for row in rows]


def _number(text: str) -> float | None:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
