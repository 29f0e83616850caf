"""What a design can be expected to tell: the chance of each verdict by look, for a true difference that is given."""

from dataclasses import dataclass, replace

import numpy as np

from pets_seg.report.sequential.intervals import Rule, Sample
from pets_seg.report.sequential.looks import OPEN, look

STUDIES = 10_000
SEED = 20261128


@dataclass(frozen=True)
class Chances:
    """Over simulated studies of one group: the share of each verdict by look, cumulative, and the mean pairs spent."""

    by_look: dict[int, dict[str, float]]
    pairs: float

    def last(self, *verdicts: str) -> float:
        """Return how often a study ends with one of these verdicts."""
        [*_, end] = self.by_look.values()
        return sum(end.get(verdict, 0.0) for verdict in verdicts)


def chances(
    rule: Rule, difference: float, deviation: float, of_images: float = 0.0, images: int = 0, studies: int = STUDIES
) -> Chances:
    """Simulate studies whose paired differences are normal over seeds with this standard deviation.

    `of_images` is the variance that the choice of `images` adds to every mean (`statistics.image_part`), taken as
    known. All are in the unit of the margin.
    """
    generator = np.random.default_rng(SEED)
    shift = np.sqrt(of_images) * generator.standard_normal(studies)
    values = difference + shift + deviation * generator.standard_normal((rule.last, studies))
    parts = np.full(studies, of_images)
    verdicts, spent = np.full(studies, OPEN, dtype="<U16"), np.full(studies, rule.last)
    before, by_look = None, {}
    for pairs in rule.looks:
        part = values[:pairs]
        sample = Sample(pairs, part.mean(axis=0), part.var(axis=0, ddof=1) / pairs, parts, parts, max(images, 1))
        before = look(rule, sample, before)
        ended = (verdicts == OPEN) & (before.verdict != OPEN)
        verdicts[ended] = before.verdict[ended]
        spent[ended] = pairs
        names, counts = np.unique(verdicts, return_counts=True)
        by_look[pairs] = dict(zip(names.tolist(), (counts / studies).tolist(), strict=True))
    return Chances(by_look, float(spent.mean()))


def cost_of_futility(rule: Rule, deviation: float) -> float:
    """Return the most that stopping early for futility takes from the chance of a verdict.

    It is the most over true differences of 0, 1 and 2 margins, for a standard deviation of the paired difference.
    """
    without = replace(rule, futility=0.0)
    losses = []
    for difference in (0.0, rule.margin, 2 * rule.margin):
        kept, lost = (
            chances(item, difference, deviation, studies=STUDIES // 4).last("better", "worse", "equal")
            for item in (without, rule)
        )
        losses.append(kept - lost)
    return max(losses)
