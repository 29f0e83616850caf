"""The course of a group's runs over their epochs, and how it is drawn."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pets_seg.report.plotting.drawing import Series, thinned
from pets_seg.report.plotting.looks import Look
from pets_seg.report.study.groups import Group

SECONDS = "seconds so far"
# Larger values come from damaged files, and their squares overflow.
HUGE = 1e100
# The room at either end of an x axis, as a share of its length.
MARGIN = 0.03


@dataclass(frozen=True)
class Course:
    """Values (runs, epochs) by column of metrics.csv, NaN where a run has none; `SECONDS` counts from its start."""

    epochs: np.ndarray
    values: dict[str, np.ndarray]

    def mean(self, column: str) -> np.ndarray:
        """Return the mean over the runs that have an epoch."""
        known = np.isfinite(self.values[column])
        # By columns in memory, so that NumPy adds up those of an epoch pairwise.
        total = np.where(known, self.values[column], 0.0).T.copy().sum(axis=1)
        with np.errstate(invalid="ignore"):
            return total / known.sum(axis=0)

    def deviation(self, column: str) -> np.ndarray:
        """Return the standard deviation over the runs, NaN where only one has an epoch."""
        return pd.DataFrame(self.values[column]).std().to_numpy()

    def curve(self, column: str, seconds: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what `line` does, and the deviation."""
        keep = self._drawn(seconds)
        return *self.line(column, seconds), self.deviation(column)[keep]

    def line(self, column: str, seconds: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return x and mean of the points to draw; x is the epoch, or the mean time over `seconds`."""
        x = self.epochs if seconds is None else self.mean(SECONDS) / seconds
        keep = self._drawn(seconds)
        return x[keep], self.mean(column)[keep]

    def _drawn(self, seconds: float | None) -> np.ndarray:
        return thinned(len(self.epochs)) if seconds is None else self.timed[thinned(len(self.timed))]

    @property
    def timed(self) -> np.ndarray:
        """The indices of the epochs whose time is known for all runs; a mean over fewer would jump back and forth."""
        known = np.isfinite(self.values[SECONDS])
        return np.flatnonzero(known[known.any(axis=1)].all(axis=0) & known.any(axis=0))


def course_of(group: Group, columns: Sequence[str]) -> Course | None:
    """Return the course of a group's finished runs; None if none has metrics, NaN in columns that runs lack."""
    names = [*columns, SECONDS]
    tables = [table for run in group.finished if len((table := _by_epoch(run.metrics, columns))[0])]
    if not tables:
        return None
    epochs = np.unique(np.concatenate([own for own, _ in tables]))
    values = np.full((len(tables), len(epochs), len(names)), np.nan)
    for index, (own, rows) in enumerate(tables):
        # Of an epoch that is there twice the later row counts.
        values[index, np.searchsorted(epochs, own)] = rows
    values[~(abs(values) < HUGE)] = np.nan
    return Course(epochs, {name: values[:, :, index] for index, name in enumerate(names)})


def _by_epoch(metrics: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the epochs of a run, and the rows of `columns` and `SECONDS`, NaN in a column that it lacks."""
    names = ("epoch", *columns, "seconds")
    lacking = np.full(len(metrics), np.nan)
    values = [metrics[name].to_numpy(dtype=float) if name in metrics else lacking for name in names]
    rows = np.stack(values, axis=1)[abs(values[0]) < HUGE]
    with np.errstate(over="ignore", invalid="ignore"):
        rows[:, -1] = rows[:, -1].cumsum()
    return rows[:, 0], rows[:, 1:]


def draw_mean(axes: Axes, look: Look, x: np.ndarray, y: np.ndarray, deviation: np.ndarray) -> Series:
    """Draw a mean and its band of one standard deviation, and return them as a series of `Lines`."""
    if np.isfinite(deviation).any():
        axes.fill_between(x, y - deviation, y + deviation, color=look.colour, alpha=0.13, linewidth=0, zorder=1.6)
    marker = "o" if len(x) == 1 else None
    axes.plot(x, y, color=look.colour, linewidth=1.15, linestyle=look.dash, zorder=2.2, marker=marker, markersize=3)
    return look.label, look.colour, x, y, deviation


def limit_y(axes: Axes, curves: Iterable[np.ndarray], floor: float = -math.inf) -> None:
    """Fit the y axis to whole curves, with some room around them, though not below `floor`."""
    low, high = known_range(np.concatenate([*curves]))
    if math.isfinite(low):
        margin = 0.06 * (high - low) or 0.01
        axes.set_ylim(max(min(floor, low), low - margin), high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def limit_epochs(axes: Axes, first: float, last: float) -> None:
    """Fit the x axis to epochs, with room for a mark at either end; only whole epochs have a tick."""
    margin = MARGIN * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def known_range(values: np.ndarray) -> tuple[float, float]:
    """Return the smallest and the largest of the finite values, NaN without any."""
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)


def last_point(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the last point of a line that is finite, NaN without any."""
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    return (float(x[known[-1]]), float(y[known[-1]])) if len(known) else (math.nan, math.nan)
