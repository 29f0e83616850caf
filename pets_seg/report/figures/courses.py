"""The course of a group's runs over their epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pets_seg.report.groups import Group

SECONDS = "seconds so far"


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


def course(group: Group, columns: Sequence[str]) -> Course | None:
    """Return the course of a group's finished runs; None if none has metrics, NaN in columns that runs lack."""
    tables = [run.metrics for run in group.finished if run.metrics is not None]
    if not tables:
        return None
    epochs = np.unique(np.concatenate([table["epoch"].to_numpy(dtype=float) for table in tables]))
    values = {column: np.full((len(tables), len(epochs)), np.nan) for column in (*columns, SECONDS)}
    for row, table in enumerate(tables):
        places = np.searchsorted(epochs, table["epoch"].to_numpy(dtype=float))
        for column in columns:
            if column in table:
                values[column][row, places] = table[column].to_numpy(dtype=float)
        values[SECONDS][row, places] = table["seconds"].to_numpy(dtype=float).cumsum()
    for array in values.values():
        array[~np.isfinite(array)] = np.nan
    return Course(epochs, values)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    squares = (np.where(known, values - mean, 0) ** 2).sum(axis=0)
    return mean, np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def time_unit(longest: float) -> tuple[float, str]:
    """Return the seconds and the name of the unit in which a time is easily read."""
    if longest > 3 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if longest > 300 else (1.0, "seconds")
