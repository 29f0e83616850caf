"""A study: run folders, read and compared, from which the tables, the page and the report in W&B are made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pets_seg.report.study.compare import Difference, Interaction, compare, interactions
from pets_seg.report.study.groups import Group, find_baselines, group_runs
from pets_seg.report.study.runs import LeftOut, Run, read_runs
from pets_seg.report.study.search import find_searches, without_trials
from pets_seg.report.study.starts import name_starts
from pets_seg.report.study.statistics import over_seeds
from pets_seg.run_folder.search import Search

MARKS = (0.80, 0.85, 0.90)


@dataclass(frozen=True)
class Study:
    """Run folders, read and compared; `baselines` holds the baseline of each group that has one, by name.

    The runs of `searches` are among `runs`, and in no group.
    """

    folders: list[Path]
    runs: list[Run]
    left_out: list[LeftOut]
    keys: list[str]
    groups: list[Group]
    baselines: dict[str, Group]
    differences: list[Difference]
    interactions: list[Interaction]
    searches: list[Search] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The names of its folders."""
        return ", ".join(dict.fromkeys(folder.resolve().name for folder in self.folders))

    @property
    def baseline(self) -> Group | None:
        """The baseline of all groups; None if there is none, or if groups have different ones."""
        different = set(self.baselines.values())
        return different.pop() if len(different) == 1 else None

    @property
    def finished(self) -> list[Group]:
        """The groups that have a finished run."""
        return [group for group in self.groups if group.finished]

    def difference(self, group: Group, metric: str) -> Difference | None:
        """Return the difference of `group` from its baseline in a metric."""
        return next((item for item in self.differences if item.group is group and item.metric == metric), None)


def read_study(folders: Sequence[Path], baseline: Any = None) -> Study:
    """Read the run folders in `folders` and compare their groups with the baseline (`groups.find_baselines`).

    Raises InputError if a folder is not there or holds a search that cannot be understood, or no group is such a
    baseline.
    """
    runs, left_out = read_runs(folders)
    name_starts(runs)
    searches = find_searches(folders, runs)
    compared, trials = without_trials(runs, searches)
    keys, groups, repeated = group_runs(compared)
    baselines = find_baselines(groups, baseline)
    # Baselines come first in every table.
    groups = list(dict.fromkeys([*baselines.values(), *groups]))
    differences = compare(groups, baselines)
    crossed = interactions(groups, groups[0] if baselines else None)
    left_out += [*trials, *repeated]
    return Study(list(folders), runs, left_out, keys, groups, baselines, differences, crossed, searches)


@dataclass(frozen=True)
class Spread:
    """A figure of a group over its seeds; NaN where there are too few values."""

    mean: float
    deviation: float
    low: float
    high: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class Reached:
    """When a group's runs reached a Dice: medians over the runs, a run that never did counting as later than all.

    `epochs` and `seconds` are infinite where half of the runs or more did not reach it, and NaN where no run's are
    known. Of `runs` it is known whether they reached it, and `reached` of them did.
    """

    epochs: float
    seconds: float
    reached: int
    runs: int


def spread(group: Group, key: str) -> Spread:
    """Return a figure of `facts` over the finished runs of a group."""
    values = tuple(figures[key] for run in group.finished if key in (figures := facts(run)))
    return Spread(*over_seeds(values), values)


def plus_minus(figure: Spread, form: str = ".4f") -> str:
    """Return a mean with its standard deviation, "" if it is not known."""
    if math.isnan(figure.mean):
        return ""
    return f"{figure.mean:{form}}" + ("" if math.isnan(figure.deviation) else f" ± {figure.deviation:{form}}")


def reached(group: Group, mark: float) -> Reached:
    """Return when the runs of a group reached a validation Dice of `mark`."""
    pairs = [_first_at(run, mark) for run in group.finished]
    known = pd.DataFrame(pairs, columns=["epochs", "seconds"], dtype=float).dropna(subset="epochs")
    reached_it = int(np.isfinite(known["epochs"]).sum())
    return Reached(float(known["epochs"].median()), float(known["seconds"].median()), reached_it, len(known))


def facts(run: Run) -> dict[str, float]:
    """Return the figures of a finished run: the numbers of its summary, and some that are derived from its metrics.

    `val_dice` is that of the best epoch; `gap` the validation less the training loss of the last epoch, `turn` the
    epoch of the lowest validation loss unless that is the last one; `images_per_second` the median over epochs.
    """
    figures = {key: number for key in run.summary if not math.isnan(number := run.number(key))}
    figures["val_dice"] = run.number("best_val_dice")
    if run.metrics["val/loss"].notna().any():
        last, lowest = run.metrics.iloc[-1], run.metrics.iloc[int(run.metrics["val/loss"].argmin())]
        figures["gap"] = float(last["val/loss"] - last["train/loss"])
        if lowest["epoch"] < last["epoch"]:
            figures["turn"] = float(lowest["epoch"])
        if "images_per_second" in run.metrics:
            figures["images_per_second"] = float(run.metrics["images_per_second"].median())
    return figures


def _first_at(run: Run, mark: float) -> tuple[float, float]:
    """Return epochs and seconds to a Dice, infinite if the run never reached it, NaN if that is not known."""
    if run.metrics.empty:
        key = f"epochs_to_{round(100 * mark):03d}"
        return (math.inf if run.summary.get(key, "") is None else run.number(key)), math.nan
    hits = run.metrics["val/dice"].to_numpy() >= mark
    if not hits.any():
        return math.inf, math.inf
    row = int(hits.argmax())
    return float(run.metrics["epoch"].iloc[row]), float(run.metrics["seconds"].iloc[: row + 1].sum())
