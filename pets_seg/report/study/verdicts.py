"""What may be said of a group against its baseline; the sentences and the lines of a terminal are made from it."""

import math
from enum import Enum

import numpy as np

from pets_seg.report.study.compare import Difference, common_seeds
from pets_seg.report.study.constant import CONSTANT
from pets_seg.report.study.groups import Group
from pets_seg.report.study.statistics import Estimate
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import listed

SIGNIFICANT = 0.05
# More seeds are counted, not listed.
MOST_SEEDS = 5


class Verdict(Enum):
    """What may be said of a difference."""

    APART = "no seed in common"
    NOT_FINITE = "scores are not finite"
    EQUAL = "the differences are all exactly zero"
    CONSTANT = "the networks of both predict the same for every image"
    ALIKE = "all seeds differ by the same"
    ONE_SEED = "one seed"
    BETTER = "better"
    WORSE = "worse"
    ALONE = "told apart if looked at alone, not once all groups are counted"
    UNSURE = "cannot be told apart"


def verdict(item: Difference) -> Verdict:
    """Return what may be said of a difference in Dice."""
    estimate = item.estimate
    if not estimate.seeds:
        return Verdict.APART
    if not np.isfinite(item.paired).all():
        return Verdict.NOT_FINITE
    if not item.paired.any():
        return Verdict.EQUAL
    ours, theirs = constants(item.group), constants(item.baseline)
    if ours.keys() & theirs.keys() >= set(common_seeds([item.group, item.baseline])):
        return Verdict.CONSTANT
    if estimate.seeds == 1:
        return Verdict.ONE_SEED
    if math.isnan(estimate.p):
        return Verdict.ALIKE
    if told_apart(estimate, item.p_holm):
        return Verdict.BETTER if estimate.difference > 0 else Verdict.WORSE
    return Verdict.ALONE if estimate.p < SIGNIFICANT else Verdict.UNSURE


def told_apart(estimate: Estimate, p_holm: float) -> bool:
    """Whether a difference is significant over several seeds and after Holm's correction."""
    return estimate.seeds > 1 and p_holm < SIGNIFICANT


def has_plan(item: Difference) -> bool:
    """Whether it can be said how many seeds would be needed: not where a network is constant."""
    return verdict(item) is Verdict.UNSURE and not constants(item.group) and not constants(item.baseline)


def no_comparison(study: Study) -> str:
    """Return why there is nothing to compare, "" if there is."""
    finished = [group for group in study.groups if group.finished]
    if not finished:
        return "No run has finished yet: there is nothing to compare."
    if len(finished) == 1:
        return f"{finished[0].name} is the only group with a finished run: there is nothing to compare it with."
    if not compared(study):
        return "No group has a finished run of its own baseline to be compared with."
    return ""


def compared(study: Study) -> list[Difference]:
    """Return the differences in test Dice, the best first and those that are not known last."""

    def order(item: Difference) -> float:
        return item.estimate.difference if math.isfinite(item.estimate.difference) else -math.inf

    differences = [item for group in study.groups if (item := study.difference(group, "test_dice"))]
    return sorted(differences, key=order, reverse=True)


def constants(group: Group) -> dict[int, str]:
    """Return by seed what the constant networks of a group predict."""
    return {run.seed: run.constant for run in group.finished if run.constant}


def said_of_constants(group: Group) -> str:
    """Return what is to be known of a group's constant networks, "" if it has none."""
    by_seed = constants(group)
    if len(by_seed) == len(group.finished) and len(kinds := set(by_seed.values())) == 1:
        return f"the network {CONSTANT[kinds.pop()]}"
    parts = []
    for kind, words in CONSTANT.items():
        seeds = [str(seed) for seed, found in by_seed.items() if found == kind]
        if len(seeds) > MOST_SEEDS:
            parts.append(f"{words} with {len(seeds)} of {len(group.finished)} seeds")
        elif seeds:
            parts.append(f"{words} with seed{'s' if len(seeds) > 1 else ''} {listed(seeds, 'and')}")
    return f"the network {', and '.join(parts)}" if parts else ""
