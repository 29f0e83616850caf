"""What a look at so many pairs of seeds tells of one group, and whether the sweep stops for it there.

All functions take arrays of studies, so that simulations and sweeps are decided by the same lines. Differences are in
the units of the metric.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pets_seg.report.sequential.intervals import Rule, Sample, half_width, nominal_p, sample_of
from pets_seg.report.sequential.levels import repeated_p
from pets_seg.report.sequential.prospects import chance, lacks_images
from pets_seg.report.study.statistics import Estimate
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

OPEN, UNDECIDED, NEEDS_IMAGES = "open", "undecided", "needs_images"


@dataclass(frozen=True)
class Look:
    """Studies at a look, as arrays: the running intersections of the repeated intervals, and the verdict.

    `low` to `high` is that which excludes 0 for a difference, `inner_low` to `inner_high` that which lies inside the
    margin for equality. `nominal` is the p-value of this look by itself. A verdict of several words stands alone.
    """

    sample: Sample
    low: np.ndarray
    high: np.ndarray
    inner_low: np.ndarray
    inner_high: np.ndarray
    nominal: np.ndarray
    verdict: np.ndarray

    @property
    def empty(self) -> np.ndarray:
        """Whether the intervals of the looks so far have no value in common."""
        return (self.low > self.high) | (self.inner_low > self.inner_high)


class Taker:
    """Takes the looks at one group as its pairs come in.

    `values` returns the paired differences (pairs, images) of the first so many pairs. Those that are not finite, or
    that do not vary over the pairs, have no interval; if all are exactly zero the group is equal. `looks` holds the
    looks so far, each with its repeated p-value.
    """

    def __init__(self, rule: Rule, values: Callable[[int], np.ndarray]) -> None:
        self.rule, self.values = rule, values
        self.looks: list[tuple[Look, float]] = []

    def take(self, pairs: int) -> str:
        """Take the look at so many pairs, if there is one, and return what it tells."""
        if pairs not in self.rule.looks:
            return OPEN
        before, p = self.looks[-1] if self.looks else (None, 1.0)
        found = look(self.rule, sample_of(self.values(pairs)), before)
        nominal = float(found.nominal[0])
        if math.isfinite(nominal):
            p = min(p, repeated_p(self.rule.looks, pairs, nominal, self.rule.groups))
        self.looks.append((found, p))
        return str(found.verdict[0])


def repeated_estimate(looks: Sequence[tuple[Look, float]]) -> Estimate:
    """Return the difference at the last of some looks at one group, with its repeated interval and p-value."""
    if not looks:
        return Estimate()
    last, p = looks[-1]
    low, high = float(last.low[0]), float(last.high[0])
    sample = last.sample
    images = sample.images if sample.images > 1 else 0
    known = math.isfinite(low) and math.isfinite(high)
    return Estimate(float(sample.mean[0]), low, high, p if known else math.nan, sample.pairs, images)


def look(rule: Rule, sample: Sample, before: Look | None = None) -> Look:
    """Return what `sample` tells, `before` being the look before it."""
    outer = half_width(rule.differs.by_look[sample.pairs], sample)
    inner = half_width(rule.equals.by_look[sample.pairs], sample)
    mean = sample.mean
    ends = [mean - outer, mean + outer, mean - inner, mean + inner]
    if before is not None:
        earlier = (before.low, before.high, before.inner_low, before.inner_high)
        joins = (np.fmax, np.fmin, np.fmax, np.fmin)
        ends = [join(end, old) for join, end, old in zip(joins, ends, earlier, strict=True)]
    low, high, inner_low, inner_high = ends
    verdict = np.select(
        [
            (low > high) | (inner_low > inner_high),
            low > 0,
            high < 0,
            (inner_low > -rule.margin) & (inner_high < rule.margin),
            _stops(rule, sample),
        ],
        [UNDECIDED, BETTER, WORSE, EQUAL, np.where(lacks_images(rule, sample), NEEDS_IMAGES, UNDECIDED)],
        OPEN,
    )
    return Look(sample, low, high, inner_low, inner_high, nominal_p(sample), verdict)


def _stops(rule: Rule, sample: Sample) -> np.ndarray:
    """Return which studies get no more seeds though nothing is told of them."""
    if sample.pairs == rule.last:
        return np.full(sample.mean.shape, True)
    return chance(rule, sample) < rule.futility if rule.futility else np.full(sample.mean.shape, False)
