"""Simulated studies: the scores of a baseline and of groups that are trained with its seeds, as far as looks read them.

The score of group g, seed s and image i is the sum of three independent parts: one of group and seed, one of group and
image, one of all three. The groups of a study are compared with the same baseline run of each seed, so that their
differences are correlated. The parts of a run are 1/sqrt(2) of those of a difference, which experiments/intervals has.

A look reads of a difference its means over the images by seed, and the variance of the mean in two ways that depend on
the images: `statistics.image_part`, and over images alone. Those depend only on the inner products of contrasts: of the
vectors of I - 1 numbers that are left of I images without their mean, one for each run and seed and one for each run.
Under normality these may be turned in any way, so that vector j (from 0) has j normal coordinates, one whose square is
chi-squared with I - 1 - j degrees of freedom, and no more (Bartlett, Proceedings of the Royal Society of Edinburgh 53,
1933). So much fewer numbers are drawn than there are images, and the law is the exact one.
"""

import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Standard deviations of the three parts of a difference.
SIZES: dict[str, tuple[float, float, float]] = runpy.run_path(
    str(Path(__file__).parents[1] / "intervals" / "intervals.py")
)["SIZES"]
FIRST, LAST = 4, 20
LOOKS = tuple(range(FIRST, LAST + 1))
# So many studies are drawn at a time.
CHUNK = 250
Size = tuple[float, float, float]


def _t3(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_t(3, shape) / np.sqrt(3)


def _skew(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return values whose long tail is that of good runs for the groups, and that of bad ones for the baseline.

    The skewness of a run is 1, that of a difference 0.71; were all runs skewed alike, their differences would not be.
    """
    values = (generator.standard_gamma(4, shape) - 4) / 2
    values[0] *= -1
    return values


# How the part of the seed is distributed, with mean 0 and variance 1; its first axis is the runs, the baseline first.
SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda generator, shape: generator.standard_normal(shape),
    "t3": _t3,
    "skew": _skew,
}


@dataclass(frozen=True)
class Studies:
    """Differences of groups from their baseline, whose true value is 0.

    `means` (LAST, groups * studies) are those of a seed over its images; `of_images` and `over_images`
    (LAST + 1, groups * studies) are those of `intervals.Sample` after so many seeds, NaN before FIRST. The groups of
    a study are `studies` columns apart.
    """

    groups: int
    images: int
    means: np.ndarray
    of_images: np.ndarray
    over_images: np.ndarray


def deviation(size: Size, images: int) -> float:
    """Return the standard deviation that the margin is measured by: of a seed's mean difference, the images given.

    Where training does not vary but images do, their choice counts too, as though it were made anew for each of LAST
    seeds: the mean at the last look is then as uncertain as where training alone varies.
    """
    of_seed, of_image, of_both = size
    choice = 0.0 if of_seed else LAST * of_image**2 / images
    return float(np.sqrt(of_seed**2 + of_both**2 / images + choice))


def draw(seed: int, size: Size, images: int, groups: int, studies: int, shape: str = "normal") -> Studies:
    """Return studies; with the same `seed` the first of many are the same as those of few."""
    scores = run_means(seed, size, images, groups + 1, studies, shape)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for chunk in range(-(-studies // CHUNK)):
        vectors = contrasts(np.random.default_rng((seed, 1, chunk)), size, images, groups + 1, CHUNK)
        parts.append(image_parts(vectors[1:] - vectors[0], images))
    found = scores[1:] - scores[0], *(np.concatenate(part, axis=-1)[..., :studies] for part in zip(*parts, strict=True))
    return Studies(groups, images, *(np.moveaxis(part, 0, 1).reshape(part.shape[1], -1) for part in found))


def run_means(seed: int, size: Size, images: int, runs: int, studies: int, shape: str = "normal") -> np.ndarray:
    """Return the mean score of each run and seed over its images (runs, LAST, studies), the baseline's first."""
    generators = [np.random.default_rng((seed, 0, chunk)) for chunk in range(-(-studies // CHUNK))]
    means = [seed_means(generator, size, images, runs, CHUNK, shape) for generator in generators]
    return np.concatenate(means, axis=-1)[..., :studies]


def seed_means(
    generator: np.random.Generator, size: Size, images: int, runs: int, studies: int, shape: str
) -> np.ndarray:
    """Return what `run_means` does, of one chunk of studies."""
    of_seed, of_image, of_both = np.array(size) / np.sqrt(2)
    return (
        of_seed * SHAPES[shape](generator, (runs, LAST, studies))
        + of_image / np.sqrt(images) * generator.standard_normal((runs, 1, studies))
        + of_both / np.sqrt(images) * generator.standard_normal((runs, LAST, studies))
    )


def contrasts(generator: np.random.Generator, size: Size, images: int, runs: int, studies: int) -> np.ndarray:
    """Return the contrasts of the images (runs, LAST + 1, coordinates, studies): by seed, and last those of the run.

    Only the inner products of the vectors of a study, over the coordinates, have a meaning.
    """
    count, dimensions = runs * (LAST + 1), images - 1
    coordinates = min(count, dimensions)
    vectors = generator.standard_normal((count, coordinates, studies))
    if dimensions > coordinates:
        own = np.arange(coordinates)
        vectors[own, own] = np.sqrt(generator.chisquare((dimensions - own)[:, None], (coordinates, studies)))
        vectors[np.triu_indices(coordinates, 1)] = 0
    vectors = vectors.reshape(runs, LAST + 1, coordinates, studies)
    _, of_image, of_both = np.array(size) / np.sqrt(2)
    vectors[:, :LAST] *= of_both
    vectors[:, LAST] *= of_image
    return vectors


def image_parts(vectors: np.ndarray, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `of_images` and `over_images` of differences (groups, LAST + 1, studies) from their contrasts."""
    groups, _, coordinates, studies = vectors.shape
    of_images, over_images = np.full((2, groups, LAST + 1, studies), np.nan)
    total, squares = np.zeros((groups, coordinates, studies)), np.zeros((groups, studies))
    for seed in range(LAST):
        total += vectors[:, seed]
        squares += (vectors[:, seed] ** 2).sum(axis=1)
        pairs = seed + 1
        if pairs < FIRST:
            continue
        mean = total / pairs
        residual = (squares - pairs * (mean**2).sum(axis=1)) / ((pairs - 1) * (images - 1))
        over_images[:, pairs] = ((mean + vectors[:, LAST]) ** 2).sum(axis=1) / (images - 1) / images
        of_images[:, pairs] = np.maximum(0.0, over_images[:, pairs] - residual / (pairs * images))
    return of_images, over_images
