"""A study: run folders, read and compared, from which the tables, the page and the report in W&B are made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pets_seg.errors import InputError, escaped
from pets_seg.report.sequential.decisions import Decision, decide, is_older, rule_of
from pets_seg.report.sequential.verdict_files import read_record
from pets_seg.report.study.compare import Difference, compare
from pets_seg.report.study.effects import Interaction, MainEffect, interactions, main_effects
from pets_seg.report.study.factorial import Factorial, find_factorial
from pets_seg.report.study.facts import first_at
from pets_seg.report.study.groups import Group, find_baselines, group_runs
from pets_seg.report.study.order import in_order
from pets_seg.report.study.runs import LeftOut, Run, read_runs, without_test
from pets_seg.report.study.search import find_searches, without_trials
from pets_seg.report.study.starts import name_starts
from pets_seg.report.study.statistics import LEVEL, over_seeds
from pets_seg.run_folder.design import Design, read_design
from pets_seg.run_folder.names import CONFIG
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
    searches: list[Search] = field(default_factory=list)
    # Of a sequential sweep, and what its looks told.
    design: Design | None = None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def level(self) -> str:
        """The confidence of its intervals, in percent."""
        return f"{100 * (1 - (self.design.alpha if self.design else 1 - LEVEL)):g} %"

    @property
    def metric(self) -> str:
        """The metric whose differences answer its question."""
        return self.design.metric if self.design else "test_dice"

    @property
    def name(self) -> str:
        """The names of its folders."""
        return ", ".join(dict.fromkeys(folder.resolve().name for folder in self.folders))

    @cached_property
    def baseline(self) -> Group | None:
        """The baseline of all groups; None if there is none, or if groups have different ones."""
        different = set(self.baselines.values())
        return different.pop() if len(different) == 1 else None

    @cached_property
    def factorial(self) -> Factorial | None:
        """Its factors, if it is a factorial sweep; None for a sequential one, where looks give intervals alone."""
        return None if self.design else find_factorial(self.groups, self.baselines)

    @cached_property
    def main_effects(self) -> list[MainEffect]:
        """The main effects of its factors in its metric, factor by factor."""
        return main_effects(self.factorial, self.metric) if self.factorial else []

    @cached_property
    def interactions(self) -> list[Interaction]:
        """The interactions of its two factors."""
        return interactions(self.factorial) if self.factorial else []

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
    designs = [design for folder in folders if (design := read_design(folder))]
    inside = any((folder / CONFIG).exists() and read_design(folder.resolve().parent) for folder in folders)
    if inside or (designs and len(folders) > 1):
        raise InputError(
            "runs: holds a sequential sweep or a part of one, whose intervals hold for all of it and for it alone; "
            "give the folder of that sweep alone"
        )
    runs, left_out = read_runs(folders)
    name_starts(runs)
    if designs:
        return _decided(folders[0], designs[0], runs, left_out)
    searches = find_searches(folders, runs)
    compared, trials = without_trials(runs, searches)
    keys, groups, repeated = group_runs(compared)
    baselines = find_baselines(groups, baseline)
    groups = in_order(groups, baselines.values())
    differences = compare(groups, baselines)
    left_out += [*trials, *repeated]
    return Study(list(folders), runs, left_out, keys, groups, baselines, differences, searches)


def _decided(folder: Path, design: Design, runs: list[Run], left_out: list[LeftOut]) -> Study:
    """Return the study of a sequential sweep: its groups are those of the design, and intervals those of its looks."""
    names = {name for group in design.groups.values() for name in group.runs}
    members = {run.name: run for run in runs if run.name in names and not is_older(run, design)}
    # Nothing of the report may show what the design leaves alone.
    if design.metric == "val_dice":
        members = {name: without_test(run) for name, run in members.items()}
    left_out += [
        LeftOut(escaped(str(run.folder)), "is not of the design, or older") for run in runs if run.name not in members
    ]
    record = read_record(folder, design)
    decisions = decide(design, members, record.entered, record.given_up)
    groups = {}
    for name, declared in design.groups.items():
        own = [members[run] for run in declared.runs if run in members]
        groups[name] = Group(name, declared.values, own, [run for run in own if run.finished])
    shown = [group for group in groups.values() if group.runs]
    baselines = {
        item.group: groups[item.baseline]
        for item in decisions
        if groups[item.group].finished and groups[item.baseline].finished
    }
    looked = {item.group: (rule_of(design), item.entered[: item.pairs]) for item in decisions}
    differences = [item for item in compare(shown, baselines, looked) if item.estimate.seeds]
    keys = [*next(iter(design.groups.values())).values]
    return Study(
        [folder],
        [*members.values()],
        left_out,
        keys,
        shown,
        baselines,
        differences,
        design=design,
        decisions=decisions,
    )


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
