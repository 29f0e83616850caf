"""Whether a difference is real: intervals and p-values over seeds and images, and how many seeds it would take.

Pairs are compared: two groups, trained with the same seeds and scored on the same images. `values[s, i]` is the
difference of their scores for seed s and image i. Both training (the seeds) and the choice of images are random. Two t
intervals are computed, and the wider one is reported:

- over seeds alone: the S mean differences, S - 1 degrees of freedom;
- over seeds and images: the variance of the mean in a two-way layout of random seeds and random images (Obuchowski and
  Rockette, Communications in Statistics B 24(2), 1995), its degrees of freedom by Satterthwaite from both parts, as
  Hillis (Statistics in Medicine 26, 2007) has them from the seeds' alone.

The first alone takes it for an effect if these images happen to suit one group; the second alone is too narrow with two
or three seeds when training varies much. The p-value is the larger of the two, so that it is below 0.05 just when the
interval excludes 0. tests/report/test_statistics.py simulates how often each is wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.95
# The power that `seeds_needed` plans for.
POWER = 0.8
MOST_SEEDS = 1000
# In Dice.
HALF_A_POINT = 0.005
# A mean with less variance than this varies by rounding alone.
NO_VARIANCE = 1e-24


@dataclass(frozen=True)
class Estimate:
    """A mean difference with its 95 % interval and p-value; what is not known is NaN, with no seeds all of it."""

    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    seeds: int = 0
    images: int = 0


def estimate(values: np.ndarray) -> Estimate:
    """Return the estimate for paired differences (seeds, images); one column stands for means without images.

    With one seed the interval is over images alone; there is no p-value, as nothing tells how much training varies.
    Values that are not finite, or that are the same for all seeds (with one seed, for all images), have no interval:
    their variance is not known.
    """
    # SciPy takes a second to import, which a single run need not spend.
    from scipy.special import stdtr

    seeds, images = values.shape
    mean, count = float(values.mean()), images if images > 1 else 0
    means = values.mean(axis=1) if seeds > 1 else values[0]
    known = len(means) > 1 and np.isfinite(values).all()
    part = float(means.var(ddof=1)) / len(means) if known else 0.0
    if part <= NO_VARIANCE:
        return Estimate(mean, seeds=seeds, images=count)
    half = p = 0.0
    variances = over_both(part, image_part(values), seeds, images) if seeds > 1 else [(part, images - 1)]
    for variance, freedom in variances:
        half = max(half, _quantile(freedom, (1 + LEVEL) / 2) * math.sqrt(variance))
        p = max(p, min(1.0, 2 * float(stdtr(freedom, -abs(mean) / math.sqrt(variance)))))
    return Estimate(mean, mean - half, mean + half, p if seeds > 1 else math.nan, seeds, count)


def over_both(seed_part: Any, of_images: Any, seeds: int, images: int) -> list[tuple[Any, Any]]:
    """Return pairs of variance of the mean and degrees of freedom: over seeds, over seeds and images.

    `seed_part` and `of_images` (`image_part`) are numbers, or arrays of them.
    """
    over_seeds_alone = (seed_part, seeds - 1)
    if not np.any(of_images):
        return [over_seeds_alone]
    total = seed_part + of_images
    return [over_seeds_alone, (total, total**2 / (seed_part**2 / (seeds - 1) + of_images**2 / (images - 1)))]


def image_part(values: np.ndarray) -> float:
    """Return what the choice of images adds to the variance of the mean, whatever the number of seeds."""
    seeds, images = values.shape
    if images == 1:
        return 0.0
    by_seed, by_image = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    residual = ((values - by_seed - by_image + values.mean()) ** 2).sum() / ((seeds - 1) * (images - 1))
    return max(0.0, float(by_image.var(ddof=1) / images - residual / (seeds * images)))


def over_seeds(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Return mean, standard deviation and the 95 % t interval over seeds; NaN where there are too few values."""
    if len(values) < 2:
        return (values[0] if values else math.nan), math.nan, math.nan, math.nan
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = _quantile(len(values) - 1, (1 + LEVEL) / 2) * deviation / math.sqrt(len(values))
    return mean, deviation, mean - half, mean + half


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down method (1979); NaN stays and does not count."""
    p = np.asarray(p_values, dtype=float)
    # NaN is sorted to the end.
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * (np.isfinite(p).sum() - np.arange(len(p)))).clip(max=1)
    return corrected.tolist()


def seeds_needed(values: np.ndarray, difference: float) -> int | None:
    """Return about how many seeds would detect `difference` with 80 % probability, training varying as in `values`.

    None if it takes more images too, as far as `values` can tell; 1,000 stands for 1,000 or more. `values` has two
    seeds or more; from so few it is a rough figure.
    """
    images = values.shape[1]
    one_seed = float(values.mean(axis=1).var(ddof=1))
    of_images = image_part(values)
    if of_images and _detectable(of_images, images - 1) > difference:
        return None
    for count in range(2, MOST_SEEDS):
        parts = over_both(one_seed / count, of_images, count, images)
        # The first that is too large is enough.
        if all(_detectable(variance, freedom) <= difference for variance, freedom in parts):
            return count
    return MOST_SEEDS


def half_a_point(values: np.ndarray) -> int | None:
    """Return about how many seeds would detect a difference of half a point (`seeds_needed`)."""
    return seeds_needed(values, HALF_A_POINT)


def _detectable(variance: float, freedom: float) -> float:
    """Return the difference that is detected with probability POWER."""
    return (_quantile(freedom, (1 + LEVEL) / 2) + _quantile(freedom, POWER)) * math.sqrt(variance)


def _quantile(freedom: float, probability: float) -> float:
    """Return the quantile of Student's t distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
