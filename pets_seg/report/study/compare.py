"""Groups against their baseline: paired over seeds and images, metric by metric."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
import pandas as pd

from pets_seg.report.study.groups import Group, comparable, written
from pets_seg.report.study.statistics import Estimate, estimate, holm, seeds_needed

# What is compared: the metric, its split and column in per_image.csv, its name in summary.json.
METRICS = {
    "test_dice": ("test", "dice", "test_dice"),
    "test_iou": ("test", "iou", "test_iou"),
    "test_loss": ("test", "loss", "test_loss"),
    "val_dice": ("valid", "dice", "best_val_dice"),
}


def metric_place(metric: str) -> tuple[str, str, str]:
    """Return the split of a metric, its column in per_image.csv and its name in summary.json."""
    return METRICS.get(metric, ("test", metric.removeprefix("test_"), metric))


def metrics_beside(groups: Iterable[Group]) -> list[str]:
    """Return the names of the metrics that any run of `groups` has beside those of every run."""
    return list(dict.fromkeys(name for group in groups for run in group.finished for name in run.metrics_beside))


# Columns of per_image.csv that hold a number for every image.
COLUMNS = ("dice", "iou", "loss")
# Of Dice: the difference that a plan for more seeds is made for.
HALF_A_POINT = 0.005


@dataclass(frozen=True)
class Difference:
    """A group against its baseline in one metric.

    `estimate` and the means come from the seeds that both have, `paired` (seeds, images) are their differences. If they
    have none in common, the means are over all runs and the estimate has no seeds.
    """

    group: Group
    baseline: Group
    metric: str
    mean: float
    baseline_mean: float
    estimate: Estimate = field(default_factory=Estimate)
    paired: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    p_holm: float = math.nan

    @cached_property
    def needed(self) -> int | None:
        """The seeds that would tell half a point apart with 80 % probability; None if more images are needed."""
        return seeds_needed(self.paired, HALF_A_POINT)


def compare(groups: Sequence[Group], baselines: Mapping[str, Group]) -> list[Difference]:
    """Return the differences of all groups that have a baseline, metric by metric.

    The p-values of one metric are a family: Holm's correction is over its groups.
    """
    differences = []
    for metric in [*METRICS, *(f"test_{name}" for name in metrics_beside(groups))]:
        family = [_difference(group, baselines[group.name], metric) for group in groups if group.name in baselines]
        corrected = holm([item.estimate.p for item in family])
        differences += [replace(item, p_holm=p) for item, p in zip(family, corrected, strict=True)]
    return differences


def _difference(group: Group, baseline: Group, metric: str) -> Difference:
    key = metric_place(metric)[2]
    seeds = [
        seed
        for seed in common_seeds([group, baseline])
        if not any(math.isnan(run.number(key)) for run in (*group.finished, *baseline.finished) if run.seed == seed)
    ]
    if not seeds:
        sides = ([run.number(key) for run in side.finished] for side in (group, baseline))
        # Unlike NumPy's, this mean leaves out NaN, and is NaN without a warning if nothing is left.
        mean, baseline_mean = (float(pd.Series(side, dtype=float).mean()) for side in sides)
        return Difference(group, baseline, metric, mean, baseline_mean)
    scores, baseline_scores = paired_scores([group, baseline], seeds, metric)
    paired = scores - baseline_scores
    means = float(scores.mean()), float(baseline_scores.mean())
    return Difference(group, baseline, metric, *means, estimate(paired), paired)


def common_seeds(groups: Sequence[Group]) -> list[int]:
    """Return the seeds for which every group has a finished run."""
    return sorted(set.intersection(*({run.seed for run in group.finished} for group in groups)))


def paired_scores(groups: Sequence[Group], seeds: Sequence[int], metric: str) -> list[np.ndarray]:
    """Return the scores (seeds, images) of each group, a column being the same image everywhere.

    Where a run has no scores of images, or less than two in common with the others, a single column holds the means of
    the runs.
    The cross-entropy of an image is weighted by its pixels, so that the mean over images is that over pixels.
    """
    split, column, summary = metric_place(metric)
    runs = [[next(run for run in group.finished if run.seed == seed) for seed in seeds] for group in groups]
    tables = [[run.images.get(split, pd.DataFrame()) for run in side] for side in runs]
    flat = [table for side in tables for table in side]
    if all(column in table for table in flat):
        # A metric may have no value for some images: these are left out.
        known = [table.index if column in COLUMNS else table.index[table[column].notna()] for table in flat]
        stems = reduce(pd.Index.intersection, known)
        if len(stems) > 1:
            return [np.stack([_of_images(table, stems, column) for table in side]) for side in tables]
    return [np.array([[run.number(summary)] for run in side]) for side in runs]


def _of_images(table: pd.DataFrame, stems: pd.Index, column: str) -> np.ndarray:
    table = table if len(table) == len(stems) else table.loc[stems]
    values = table[column].to_numpy(dtype=float)
    if column != "loss":
        return values
    pixels = table["pixels"].to_numpy(dtype=float)
    return values * pixels / max(pixels.mean(), 1.0)


@dataclass(frozen=True)
class Interaction:
    """Whether the effect of `level` of the first factor differs between `here` and `there` of the second.

    `estimate` is of the difference of the two differences from the factor's baseline.
    """

    factor: str
    level: str
    other: str
    here: str
    there: str
    estimate: Estimate
    p_holm: float = math.nan


def interactions(groups: Sequence[Group], baseline: Group | None) -> list[Interaction]:
    """Return the interactions of a sweep over two factors, corrected for their number; none for any other sweep.

    The second factor is the model where that is one of the two.
    """
    if baseline is None or len(baseline.values) != 2:
        return []
    factor, other = sorted(baseline.values, key=lambda key: key == "model")
    cells = {_cell(group.values[factor], group.values[other]): group for group in groups if group.finished}
    base, there = baseline.values[factor], baseline.values[other]
    crossed = []
    for group in cells.values():
        level, here = group.values[factor], group.values[other]
        keys = [_cell(*cell) for cell in ((level, here), (base, here), (level, there), (base, there))]
        corners = [cells[key] for key in dict.fromkeys(keys) if key in cells]
        if len(corners) < 4 or not (seeds := common_seeds(corners)):
            continue
        with_here, without_here, with_there, without_there = paired_scores(corners, seeds, "test_dice")
        double = (with_here - without_here) - (with_there - without_there)
        names = (factor, written(level), other, written(here), written(there))
        crossed.append(Interaction(*names, estimate(double)))
    corrected = holm([item.estimate.p for item in crossed])
    return [replace(item, p_holm=p) for item, p in zip(crossed, corrected, strict=True)]


def _cell(*values: Any) -> tuple[Any, ...]:
    return tuple(comparable(value) for value in values)
