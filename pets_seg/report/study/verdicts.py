"""The verdict on a group against its baseline, which the page and the terminal put into words."""

import math
from enum import Enum

import numpy as np

from pets_seg.report.study.compare import Difference, common_seeds
from pets_seg.report.study.constant import CONSTANT
from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.groups import Group
from pets_seg.report.study.statistics import MOST_SEEDS, Estimate
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import listed

SIGNIFICANT = 0.05
# More seeds than that are counted, not listed.
MOST_LISTED = 5


class Verdict(Enum):
    """The verdict on a difference in Dice; the value says why, for a sentence."""

    NO_COMMON_SEED = "no seed in common"
    NOT_FINITE = "scores are not finite"
    EQUAL = "the differences are all exactly zero"
    CONSTANT = "the networks of both predict the same for every image"
    NO_VARIANCE = "all seeds differ by the same"
    ONE_SEED = "one seed"
    BETTER = "better"
    WORSE = "worse"
    UNCORRECTED = "significant only before Holm's correction"
    UNDECIDED = "not significant"


def verdict(item: Difference | MainEffect) -> Verdict:
    """Return the verdict on a difference in Dice, of a group or of a level."""
    estimate = item.estimate
    if not estimate.seeds:
        return Verdict.NO_COMMON_SEED
    if not np.isfinite(item.paired).all():
        return Verdict.NOT_FINITE
    if not item.paired.any():
        return Verdict.EQUAL
    if all(_are_constant(*pair) for pair in item.pairs):
        return Verdict.CONSTANT
    if estimate.seeds == 1:
        return Verdict.ONE_SEED
    if math.isnan(estimate.p):
        return Verdict.NO_VARIANCE
    if significant(estimate, item.p_holm, item.alpha):
        return Verdict.BETTER if estimate.difference > 0 else Verdict.WORSE
    return Verdict.UNCORRECTED if significant(estimate, estimate.p, item.alpha) else Verdict.UNDECIDED


def is_clear(item: Difference | MainEffect) -> bool:
    """Whether it is told which of the two is better."""
    return verdict(item) in (Verdict.BETTER, Verdict.WORSE)


def _are_constant(group: Group, baseline: Group) -> bool:
    """Whether the networks of both are constant with every seed that both have."""
    both = constants(group).keys() & constants(baseline).keys()
    return bool(both) and both >= set(common_seeds([group, baseline]))


def significant(estimate: Estimate, p: float, alpha: float = SIGNIFICANT) -> bool:
    """Whether a difference is significant over several seeds, with its p-value or the corrected one."""
    return estimate.seeds > 1 and p < alpha


def has_plan(item: Difference | MainEffect) -> bool:
    """Whether the number of seeds needed is known: an undecided difference has one, unless a network is constant."""
    return verdict(item) is Verdict.UNDECIDED and not any(constants(group) for pair in item.pairs for group in pair)


def plan_in_words(item: Difference | MainEffect) -> str:
    """Return how many seeds it would take to see a difference of half a point, in words; see `has_plan`."""
    needed = item.needed
    if needed is None:
        return f"for half a point it may take more than these {item.estimate.images} test images, beside more seeds"
    if needed <= item.estimate.seeds:
        return "a difference of half a point would probably have been seen"
    number = f"{MOST_SEEDS:,} seeds or more" if needed >= MOST_SEEDS else f"about {needed} seeds"
    return f"{number} would be needed for half a point"


def compared(study: Study) -> list[Difference]:
    """Return the differences in the metric of the study, the best first and those that are not known last."""
    differences = [item for item in study.differences if item.metric == study.metric]
    return sorted(
        differences, key=lambda item: np.nan_to_num(item.estimate.difference, nan=-np.inf, posinf=-np.inf), reverse=True
    )


def constants(group: Group) -> dict[int, str]:
    """Return what the constant networks of a group predict, by seed."""
    return {run.seed: run.constant for run in group.finished if run.constant}


def constants_in_words(group: Group) -> str:
    """Return which of a group's networks are constant, in words, "" if none is."""
    by_seed = constants(group)
    if len(by_seed) == len(group.finished) and len(kinds := set(by_seed.values())) == 1:
        return f"the network {CONSTANT[kinds.pop()]}"
    parts = []
    for kind, words in CONSTANT.items():
        seeds = [str(seed) for seed, predicted in by_seed.items() if predicted == kind]
        if len(seeds) > MOST_LISTED:
            parts.append(f"{words} with {len(seeds)} of {len(group.finished)} seeds")
        elif seeds:
            parts.append(f"{words} with seed{'s' if len(seeds) > 1 else ''} {listed(seeds, 'and')}")
    return f"the network {', and '.join(parts)}" if parts else ""
