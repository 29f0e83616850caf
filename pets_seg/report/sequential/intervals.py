"""The rule of a sequential sweep, what is known after so many pairs, and the intervals of one look.

Arrays hold studies, so that simulations and sweeps are decided by the same lines. Differences are in the unit of the
metric.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pets_seg.report.sequential.levels import Levels, levels
from pets_seg.report.study.statistics import NO_VARIANCE, image_part, over_both

# The usual chance of a verdict at the last look under which a group gets no more seeds.
FUTILE = 0.1


@dataclass(frozen=True)
class Rule:
    """When a group is told: the margin, the numbers of pairs at which it is looked at, alpha, and how many groups.

    A group whose chance of a verdict at the last look is less than `futility` gets no more seeds, which makes no error
    more frequent; 0 is never.
    """

    margin: float
    looks: tuple[int, ...]
    alpha: float = 0.05
    groups: int = 1
    futility: float = FUTILE

    @property
    def last(self) -> int:
        """The most pairs."""
        return self.looks[-1]

    @cached_property
    def differs(self) -> Levels:
        """The levels of the intervals that tell better and worse: together they hold with 1 - alpha."""
        return levels(self.looks, self.alpha, self.groups)

    @cached_property
    def equals(self) -> Levels:
        """The levels of the intervals that tell equal: two one-sided tests, each of alpha."""
        return levels(self.looks, 2 * self.alpha, self.groups)


@dataclass(frozen=True)
class Sample:
    """What is known of studies after so many pairs: arrays of one length, `images` and `pairs` the same for all.

    `seed_part` and `of_images` are the parts of the variance of the mean (`statistics.over_both`); `over_images` is its
    variance as images alone show it, which has no part of the seeds.
    """

    pairs: int
    mean: np.ndarray
    seed_part: np.ndarray
    of_images: np.ndarray
    over_images: np.ndarray
    images: int

    def at(self, pairs: int, images: float = 1.0) -> "Sample":
        """Return what is expected after so many pairs, with so many times the images."""
        of_images = self.of_images / images
        # What varies over images with every pair anew.
        rest = np.maximum(self.over_images - self.of_images, 0) * (self.pairs / pairs / images)
        seed_part = self.seed_part * (self.pairs / pairs)
        return Sample(pairs, self.mean, seed_part, of_images, of_images + rest, round(self.images * images))


def sample_of(values: np.ndarray) -> Sample:
    """Return what paired differences (pairs, images) of one study show."""
    pairs, images = values.shape
    if not np.isfinite(values).all():
        nothing = np.array([np.nan])
        return Sample(pairs, nothing, nothing, nothing, nothing, images)
    means = values.mean(axis=1)
    seed_part = float(means.var(ddof=1)) / pairs
    if seed_part <= NO_VARIANCE and values.any():
        # A variance that is not known is not zero.
        seed_part = float("nan")
    over_images = float(values.mean(axis=0).var(ddof=1)) / images if images > 1 else 0.0
    mean, of_images = float(values.mean()), image_part(values)
    parts = np.array([seed_part]), np.array([of_images]), np.array([over_images])
    return Sample(pairs, np.array([mean]), *parts, images)


def half_width(level: float, sample: Sample) -> np.ndarray:
    """Return half the width of the interval of a nominal level: the widest of that over seeds, images and both.

    Over both alone it is too narrow with few images where training hardly varies: the part of the images is a
    difference, and often comes out as zero. There the interval over images is right.
    """
    from scipy.special import stdtrit

    widths = [-stdtrit(freedom, level / 2) * np.sqrt(variance) for variance, freedom in variances(sample)]
    return np.maximum.reduce(widths)


def nominal_p(sample: Sample) -> np.ndarray:
    """Return the p-value of one look by itself: the greatest of those over seeds, images and both."""
    from scipy.special import stdtr

    mean = np.abs(sample.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum.reduce([2 * stdtr(freedom, -mean / np.sqrt(part)) for part, freedom in variances(sample)])


def variances(sample: Sample) -> list[tuple[Any, Any]]:
    """Return pairs of variance of the mean and degrees of freedom."""
    both = over_both(sample.seed_part, sample.of_images, sample.pairs, sample.images)
    return [*both, (sample.over_images, sample.images - 1)] if sample.images > 1 else both
