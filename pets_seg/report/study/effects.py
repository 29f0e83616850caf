"""Main effects and interactions of a factorial sweep, paired over seeds and images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pets_seg.report.study.compare import common_seeds, paired_scores, place
from pets_seg.report.study.factorial import Factor, Factorial
from pets_seg.report.study.groups import Group
from pets_seg.report.study.statistics import Estimate, estimate, half_a_point, holm


@dataclass(frozen=True, eq=False)
class MainEffect:
    """The effect of a level against the base level of its factor, averaged over combinations of the other factors.

    `pairs` has the groups of both in each of these combinations, `combinations` the names of these, `left_out` those of
    the combinations where one of the two has no finished run, or both no seed in common. `estimate`, the means and
    `paired` (seeds, images) come from the seeds that all groups of `pairs` have in common; with one seed the estimate
    has neither interval nor p-value.
    """

    factor: Factor
    level: str
    metric: str
    pairs: list[tuple[Group, Group]]
    combinations: list[str]
    left_out: list[str]
    mean: float = math.nan
    base_mean: float = math.nan
    estimate: Estimate = field(default_factory=Estimate)
    paired: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    p_holm: float = math.nan
    # The p-value below which it is significant.
    alpha: float = 0.05

    @cached_property
    def needed(self) -> int | None:
        """The seeds that would detect half a point with 80 % probability; None if more images are needed."""
        return half_a_point(self.paired)


def main_effects(design: Factorial, metric: str) -> list[MainEffect]:
    """Return the main effects of all levels in a metric, factor by factor, corrected for their number by Holm's method.

    A factor without a base level has none.
    """
    family = [
        _main_effect(design, own, level, metric)
        for own, factor in enumerate(design.factors)
        if factor.has_base
        for level in range(1, len(factor.levels))
    ]
    corrected = holm([item.estimate.p for item in family])
    return [replace(item, p_holm=p) for item, p in zip(family, corrected, strict=True)]


def _main_effect(design: Factorial, own: int, level: int, metric: str) -> MainEffect:
    factor, summary = design.factors[own], place(metric)[2]
    pairs: dict[str, tuple[Group, Group]] = {}
    left_out = []
    for others in design.combinations(own):
        pair = design.pair(own, level, others)
        if pair and common_seeds(pair, summary):
            pairs[design.named(others)] = pair
        else:
            left_out.append(design.named(others))
    found = MainEffect(factor, factor.levels[level], metric, [*pairs.values()], [*pairs], left_out)
    groups = [pair[side] for side in (0, 1) for pair in found.pairs]
    seeds = common_seeds(groups, summary) if groups else []
    if not seeds:
        return found
    scores = paired_scores(groups, seeds, metric)
    here, there = (np.mean(side, axis=0) for side in (scores[: len(pairs)], scores[len(pairs) :]))
    known, paired = _over_seeds(here - there), here - there
    return replace(found, mean=float(here.mean()), base_mean=float(there.mean()), estimate=known, paired=paired)


def _over_seeds(paired: np.ndarray) -> Estimate:
    """Return the estimate for paired differences (seeds, images), without the interval over images of one seed."""
    known = estimate(paired)
    return Estimate(known.difference, seeds=1, images=known.images) if known.seeds == 1 else known


@dataclass(frozen=True)
class Interaction:
    """Whether the effect of `level` of one factor differs between `other_level` and `other_base` of the other factor.

    `effects` has the two, which are against the base level of the factor; `estimate` is of the first less the second.
    With one seed it has neither interval nor p-value. `base` is that level if the baselines differ in the factor, so
    that nothing else names it.
    """

    factor: str
    level: str
    other: str
    other_level: str
    other_base: str
    effects: tuple[float, float]
    estimate: Estimate
    base: str = ""
    p_holm: float = math.nan


def interactions(design: Factorial) -> list[Interaction]:
    """Return the interactions of a sweep over two factors, corrected for their number; none for any other sweep.

    They are those of the factor with more levels.
    """
    if len(design.factors) != 2:
        return []
    own, beside = design.across, 1 - design.across
    factor, other = design.factors[own], design.factors[beside]
    family = []
    for cell in design.cells:
        level, other_level = cell[own], cell[beside]
        four = _corners(design, own, level, other_level) if level and other_level else []
        if four and (seeds := common_seeds(four)):
            here, base_here, there, base_there = paired_scores(four, seeds, "test_dice")
            names = (factor.key, factor.levels[level], other.key, other.levels[other_level], other.base)
            first, second = here - base_here, there - base_there
            effects = float(first.mean()), float(second.mean())
            base = "" if factor.has_base else factor.base
            family.append(Interaction(*names, effects, _over_seeds(first - second), base))
    corrected = holm([item.estimate.p for item in family])
    return [replace(item, p_holm=p) for item, p in zip(family, corrected, strict=True)]


def _corners(design: Factorial, own: int, level: int, other_level: int) -> Sequence[Group]:
    """Return the groups of a level and the base level with the other level, then those with the other base level."""
    found: list[Group] = []
    for other in (other_level, 0):
        others = (None, other) if own == 0 else (other, None)
        found += design.pair(own, level, others) or ()
    return found if len(found) == 4 else []
