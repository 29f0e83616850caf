"""A study: run folders, read and compared, from which the tables, the page and the report in W&B are made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pets_seg.report.study.compare import Difference, Interaction, compare, interactions
from pets_seg.report.study.facts import first_at
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

    @cached_property
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
        return self._differences.get((group, metric))

    @cached_property
    def _differences(self) -> dict[tuple[Group, str], Difference]:
        return {(item.group, item.metric): item for item in self.differences}


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
    """Return one of the `facts` over the finished runs of a group."""
    values = tuple(run.facts[key] for run in group.finished if key in run.facts)
    return Spread(*over_seeds(values), values)


def plus_minus(figure: Spread, form: str = ".4f") -> str:
    """Return a mean with its standard deviation, "" if it is not known."""
    if math.isnan(figure.mean):
        return ""
    return f"{figure.mean:{form}}" + ("" if math.isnan(figure.deviation) else f" ± {figure.deviation:{form}}")


def reached(group: Group, mark: float) -> Reached:
    """Return when the runs of a group reached a validation Dice of `mark`."""
    pairs = [first_at(run.summary, run.metrics, mark) for run in group.finished]
    known = np.array([pair for pair in pairs if not math.isnan(pair[0])], dtype=float).reshape(-1, 2)
    epochs, seconds = (_median(column) for column in known.T)
    return Reached(epochs, seconds, int(np.isfinite(known[:, 0]).sum()), len(known))


def _median(values: np.ndarray) -> float:
    """Return the median of what is not NaN, NaN without any."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan
