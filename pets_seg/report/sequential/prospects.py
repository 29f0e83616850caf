"""What more seeds or images can be expected to tell of a group, given what is known of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pets_seg.report.sequential.intervals import Rule, Sample, half_width

# The chance that `would_tell` plans for, and the most seeds and images that it thinks of.
POWER = 0.8
MOST_SEEDS, MOST_IMAGES = 1000, 100_000


def chance(rule: Rule, sample: Sample) -> np.ndarray:
    """Return the chance that the last look tells better, worse or equal, given the pairs so far.

    The mean at the last look is predicted from these pairs and no prior knowledge: it has Student's t distribution
    around their mean (Spiegelhalter, Freedman and Blackburn, Controlled Clinical Trials 7(1), 1986).
    """
    from scipy.special import stdtr

    left = (rule.last - sample.pairs) / rule.last
    final = sample.at(rule.last)
    outer = half_width(rule.differs.by_look[rule.last], final)
    inner = np.clip(rule.margin - half_width(rule.equals.by_look[rule.last], final), 0, outer)
    with np.errstate(divide="ignore", invalid="ignore"):

        def below(value: Any) -> np.ndarray:
            return stdtr(sample.pairs - 1, (value - sample.mean) / np.sqrt(sample.seed_part * left))

        return 1 - below(outer) + below(-outer) + below(inner) - below(-inner)


def lacks_images(rule: Rule, sample: Sample) -> np.ndarray:
    """Return which studies could not be told to be equal by any number of seeds, for want of images."""
    from scipy.special import stdtrit

    if not np.any(sample.of_images):
        return np.full(sample.mean.shape, False)
    level = rule.equals.by_look[rule.last]
    return -stdtrit(sample.images - 1, level / 2) * np.sqrt(sample.of_images) > rule.margin


def would_tell(rule: Rule, sample: Sample) -> tuple[int | None, int | None]:
    """Return about how many seeds would tell, and how many images with as many seeds as the last look has.

    To tell is to do so with a chance of `POWER`, if the true difference is the mean of `sample`, an array of one study.
    None: no number up to MOST would.
    """
    more = _up_to(MOST_SEEDS, rule.last + 1)
    seeds = next((pairs for pairs in more if _power(rule, sample, pairs) >= POWER), None)
    if not np.any(sample.of_images):
        return seeds, None
    counts = _up_to(MOST_IMAGES, sample.images + 1)
    images = next((n for n in counts if _power(rule, sample, rule.last, n / sample.images) >= POWER), None)
    return seeds, images


def _up_to(most: int, first: int) -> Iterator[int]:
    """Yield numbers from `first` on, each a twentieth more than that before it."""
    number = first
    while number <= most:
        yield number
        number = max(number + 1, round(number * 1.05))


def _power(rule: Rule, sample: Sample, pairs: int, images: float | None = None) -> float:
    """Return the chance that one look at so many pairs tells, with these images, or so many times as many others."""
    from scipy.special import ndtr

    final = sample.at(pairs, images or 1.0)
    outer = half_width(rule.differs.by_look[rule.last], final)
    inner = np.clip(rule.margin - half_width(rule.equals.by_look[rule.last], final), 0, outer)
    # Other images would give another mean.
    deviation = np.sqrt(final.seed_part + (final.of_images if images else 0))
    below = (ndtr((end - sample.mean) / deviation) for end in (outer, -outer, inner, -inner))
    up, down, top, bottom = (float(value[0]) for value in below)
    return 1 - up + down + top - bottom
