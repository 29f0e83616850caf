"""Groups against their baseline: paired over seeds and images, metric by metric."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import numpy as np
import pandas as pd

from pets_seg.report.sequential.intervals import Rule
from pets_seg.report.sequential.looks import Taker, repeated_estimate
from pets_seg.report.study.groups import Group
from pets_seg.report.study.statistics import Estimate, estimate, half_a_point, holm

# By metric: its split and column in per_image.csv, its name in summary.json.
METRICS = {
    "test_dice": ("test", "dice", "test_dice"),
    "test_iou": ("test", "iou", "test_iou"),
    "test_loss": ("test", "loss", "test_loss"),
    "val_dice": ("valid", "dice", "best_val_dice"),
}
# The columns of per_image.csv that every run has for every image.
COLUMNS = ("dice", "iou", "loss")
# How a group of a sequential sweep was looked at: the rule, and the seeds in the order in which they entered.
Looked = tuple[Rule, Sequence[int]]


def extra_metrics(groups: Iterable[Group]) -> list[str]:
    """Return the names of the metrics that some runs of `groups` have beside those of `METRICS`."""
    return list(dict.fromkeys(name for group in groups for run in group.finished for name in run.extra_metrics))


@dataclass(frozen=True, eq=False)
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
    # The p-value below which it is significant.
    alpha: float = 0.05

    @property
    def pairs(self) -> list[tuple[Group, Group]]:
        """The group and its baseline."""
        return [(self.group, self.baseline)]

    @cached_property
    def needed(self) -> int | None:
        """The seeds that would detect half a point with 80 % probability; None if more images are needed."""
        return half_a_point(self.paired)


def compare(
    groups: Sequence[Group], baselines: Mapping[str, Group], looked: Mapping[str, Looked] | None = None
) -> list[Difference]:
    """Return the differences of all groups that have a baseline, metric by metric.

    The p-values of one metric are a family: Holm's correction is over its groups. What was `looked` at, by the names
    of groups, has intervals and p-values that are valid although a look ended it, and that count all groups already.
    """
    differences = []
    for metric in [*METRICS, *(f"test_{name}" for name in extra_metrics(groups))]:
        compared = [group for group in groups if group.name in baselines]
        if looked is not None:
            differences += [_looked(group, baselines[group.name], metric, looked[group.name]) for group in compared]
            continue
        family = [_difference(group, baselines[group.name], metric) for group in compared]
        corrected = holm([item.estimate.p for item in family])
        differences += [replace(item, p_holm=p) for item, p in zip(family, corrected, strict=True)]
    return differences


def place(metric: str) -> tuple[str, str, str]:
    """Return the split and the column of a metric in per_image.csv, and its name in summary.json."""
    return METRICS.get(metric, ("test", metric.removeprefix("test_"), metric))


def _difference(group: Group, baseline: Group, metric: str) -> Difference:
    summary = place(metric)[2]
    seeds = common_seeds([group, baseline], summary)
    if not seeds:
        sides = ([run.number(summary) for run in side.finished] for side in (group, baseline))
        # Unlike NumPy's, this mean leaves out NaN, and is NaN without a warning if nothing is left.
        mean, baseline_mean = (float(pd.Series(side, dtype=float).mean()) for side in sides)
        return Difference(group, baseline, metric, mean, baseline_mean)
    scores, baseline_scores = paired_scores([group, baseline], seeds, metric)
    paired = scores - baseline_scores
    means = float(scores.mean()), float(baseline_scores.mean())
    return Difference(group, baseline, metric, *means, estimate(paired), paired)


def _looked(group: Group, baseline: Group, metric: str, looked: Looked) -> Difference:
    """Return a difference by the looks that were taken at it; another metric is looked at whenever that one was."""
    rule, seeds = looked
    summary = place(metric)[2]
    known = common_seeds([group, baseline], summary)
    # Before the first look nothing is said of it.
    if not seeds or not {*seeds} <= {*known}:
        return Difference(group, baseline, metric, math.nan, math.nan, alpha=rule.alpha)

    def paired(pairs: int) -> np.ndarray:
        mine, its = paired_scores([group, baseline], seeds[:pairs], metric)
        return mine - its

    scores = paired_scores([group, baseline], seeds, metric)
    ours, theirs = (float(side.mean()) for side in scores)
    taker = Taker(rule, paired)
    for pairs in range(1, len(seeds) + 1):
        taker.take(pairs)
    found = repeated_estimate(taker.looks)
    return Difference(group, baseline, metric, ours, theirs, found, scores[0] - scores[1], found.p, rule.alpha)


def common_seeds(groups: Sequence[Group], summary: str = "test_dice") -> list[int]:
    """Return the seeds for which every group has a finished run with the number `summary` in its summary."""
    known = ({run.seed for run in group.finished if not math.isnan(run.number(summary))} for group in groups)
    return sorted(set.intersection(*known))


def paired_scores(groups: Sequence[Group], seeds: Sequence[int], metric: str) -> list[np.ndarray]:
    """Return the scores (seeds, images) of each group, a column being the same image everywhere.

    Where a run has no scores of images, or less than two in common with the others, a single column holds the means of
    the runs.
    The cross-entropy of an image is weighted by its pixels, so that the mean over images is that over pixels.
    """
    split, column, summary = place(metric)
    by_seed = [{run.seed: run for run in group.finished} for group in groups]
    runs = [[side[seed] for seed in seeds] for side in by_seed]
    tables = [[run.images.get(split, pd.DataFrame()) for run in side] for side in runs]
    flat = [table for side in tables for table in side]
    if all(column in table for table in flat):
        # An extra metric may have no value for some images, which are left out.
        known = [table.index if column in COLUMNS else table.index[table[column].notna()] for table in flat]
        # Runs of the same data share theirs.
        stems = reduce(pd.Index.intersection, {id(index): index for index in known}.values())
        if len(stems) > 1:
            return [np.stack([_image_scores(table, stems, column) for table in side]) for side in tables]
    return [np.array([[run.number(summary)] for run in side]) for side in runs]


def _image_scores(table: pd.DataFrame, stems: pd.Index, column: str) -> np.ndarray:
    table = table if len(table) == len(stems) else table.loc[stems]
    values = table[column].to_numpy(dtype=float)
    if column != "loss":
        return values
    pixels = table["pixels"].to_numpy(dtype=float)
    return values * pixels / max(pixels.mean(), 1.0)
