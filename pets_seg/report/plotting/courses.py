"""The course of a group's runs over their epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pets_seg.report.study.groups import Group

SECONDS = "seconds so far"
# Larger values are damage, and their squares are beyond a float.
HUGE = 1e100


@dataclass(frozen=True)
class Course:
    """Values (runs, epochs) by column of metrics.csv, NaN where a run has none; `SECONDS`: since its start."""

    epochs: np.ndarray
    values: dict[str, np.ndarray]

    def mean(self, column: str) -> np.ndarray:
        """Return the mean over the runs that have an epoch."""
        return _moments(self.values[column])[0]

    def deviation(self, column: str) -> np.ndarray:
        """Return the standard deviation over the runs, NaN where only one has an epoch."""
        return _moments(self.values[column])[1]

    @property
    def timed(self) -> np.ndarray:
        """The indices of the epochs of which all runs have the time; a mean over fewer would jump back and forth."""
        known = np.isfinite(self.values[SECONDS])
        return np.flatnonzero(known[known.any(axis=1)].all(axis=0) & known.any(axis=0))

    @property
    def uneven(self) -> bool:
        """Whether runs differ in the epochs that they have."""
        return len(self.timed) < len(self.epochs)


def course(group: Group, columns: Sequence[str]) -> Course | None:
    """Return the course of a group's finished runs; None if none has metrics, NaN in columns that runs lack."""
    tables = [run.metrics[_known(run.metrics["epoch"].to_numpy(dtype=float))] for run in group.finished]
    tables = [table for table in tables if len(table)]
    if not tables:
        return None
    epochs = np.unique(np.concatenate([table["epoch"].to_numpy(dtype=float) for table in tables]))
    values = {column: np.full((len(tables), len(epochs)), np.nan) for column in (*columns, SECONDS)}
    for row, table in enumerate(tables):
        places = np.searchsorted(epochs, table["epoch"].to_numpy(dtype=float))
        for column in columns:
            if column in table:
                values[column][row, places] = table[column].to_numpy(dtype=float)
        with np.errstate(over="ignore", invalid="ignore"):
            values[SECONDS][row, places] = table["seconds"].to_numpy(dtype=float).cumsum()
    for array in values.values():
        array[~_known(array)] = np.nan
    return Course(epochs, values)


def _known(values: np.ndarray) -> np.ndarray:
    return np.abs(np.asarray(values, dtype=float)) < HUGE


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = (np.where(known, values - mean, 0) ** 2).sum(axis=0)
    return mean, np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
