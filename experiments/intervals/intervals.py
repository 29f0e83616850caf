"""How often a procedure finds a difference where there is none, and how wide its intervals are.

    python experiments/intervals/intervals.py > experiments/intervals/results.csv

Two groups are the same but for chance: the paired difference of seed s and image i is the sum of three normal parts,
one of the seed (training turned out better this time), one of the image (it happens to suit one group), one of both.
"""

import argparse
import csv
import sys
from collections.abc import Callable
from itertools import product

import numpy as np
from scipy import stats

from pets_seg.report.study.statistics import estimate

# Standard deviations of the three parts, as Dice; those of the quickstart were 0.006 to 0.008, 0 to 0.03, 0.07 to 0.08.
SIZES = {
    "seeds alone": (0.02, 0.0, 0.075),
    "mostly seeds": (0.01, 0.05, 0.075),
    "as in the quickstart": (0.007, 0.03, 0.075),
    "mostly images": (0.002, 0.1, 0.1),
    "images alone": (0.0, 0.2, 0.05),
    "neither": (0.0, 0.0, 0.1),
}
SEEDS = (2, 3, 5, 10)
IMAGES = (10, 148)
RESAMPLES = 1000
Interval = tuple[float, float]


def draw(generator: np.random.Generator, seeds: int, images: int, size: tuple[float, float, float]) -> np.ndarray:
    """Return paired differences (seeds, images) whose true mean is 0."""
    of_seed, of_image, of_both = size
    return (
        of_seed * generator.standard_normal((seeds, 1))
        + of_image * generator.standard_normal((1, images))
        + of_both * generator.standard_normal((seeds, images))
    )


def bootstrap(values: np.ndarray, generator: np.random.Generator) -> Interval:
    """Percentile bootstrap: seeds and images drawn anew, both with replacement."""
    seeds, images = values.shape
    seed_weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    image_weights = generator.multinomial(images, np.full(images, 1 / images), RESAMPLES) / images
    means = ((seed_weights @ values) * image_weights).sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return low, high


def over_seeds(values: np.ndarray, generator: np.random.Generator) -> Interval:
    """T interval over the mean differences of the seeds."""
    means = values.mean(axis=1)
    return stats.t.interval(0.95, len(means) - 1, means.mean(), stats.sem(means))


def two_way(values: np.ndarray, generator: np.random.Generator) -> Interval:
    """T interval of random seeds and random images (Obuchowski and Rockette, degrees of freedom by Satterthwaite)."""
    seeds, images = values.shape
    by_seed, by_image, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = ((values - by_seed[:, None] - by_image + mean) ** 2).sum() / ((seeds - 1) * (images - 1))
    seed_part = by_seed.var(ddof=1) / seeds
    image_part = max(0.0, by_image.var(ddof=1) / images - rest / (seeds * images))
    total = seed_part + image_part
    freedom = total**2 / (seed_part**2 / (seeds - 1) + image_part**2 / (images - 1))
    return stats.t.interval(0.95, freedom, mean, np.sqrt(total))


def wider(values: np.ndarray, generator: np.random.Generator) -> Interval:
    """What the report gives: the wider of the two t intervals."""
    found = estimate(values)
    return found.low, found.high


PROCEDURES: dict[str, Callable[[np.ndarray, np.random.Generator], Interval]] = {
    "bootstrap": bootstrap,
    "t over seeds": over_seeds,
    "two-way": two_way,
    "wider of both t": wider,
}


def false_alarms(
    procedure: str, seeds: int, size: tuple[float, float, float], studies: int, images: int = 148
) -> tuple[float, float]:
    """Return the share of studies whose interval excludes 0, and the mean width of the intervals."""
    generator = np.random.default_rng(0)
    ends = np.array([PROCEDURES[procedure](draw(generator, seeds, images, size), generator) for _ in range(studies)])
    return float(((ends[:, 0] > 0) | (ends[:, 1] < 0)).mean()), float((ends[:, 1] - ends[:, 0]).mean())


def main() -> None:
    """Print a row a procedure, number of seeds and size of the variances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="simulated for each row")
    studies = parser.parse_args().studies
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("variance", "seeds", "images", "procedure", "false_alarms", "width"))
    for images, (name, size), seeds, procedure in product(IMAGES, SIZES.items(), SEEDS, PROCEDURES):
        share, width = false_alarms(procedure, seeds, size, studies, images)
        writer.writerow((name, seeds, images, procedure, f"{share:.3f}", f"{width:.4f}"))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
