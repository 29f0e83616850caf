"""The verdict of each look: its properties, the fixed-sample interval as one look, and how often it is wrong."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pets_seg.report.sequential.chances import chances, cost_of_futility
from pets_seg.report.sequential.intervals import FUTILE, Rule, Sample, half_width
from pets_seg.report.sequential.looks import NEEDS_IMAGES, OPEN, UNDECIDED, Look, Taker, look
from pets_seg.report.sequential.prospects import chance, would_tell
from pets_seg.report.study.statistics import estimate, image_part
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

EACH = tuple(range(4, 21))
RULE = Rule(0.01, EACH)
MIRRORED = {BETTER: WORSE, WORSE: BETTER}


def draw(pairs: int, images: int, difference: float, sd: float, of_image: float = 0.0, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (
        difference
        + sd * generator.standard_normal((pairs, 1))
        + of_image * generator.standard_normal((1, images))
        + 0.05 * generator.standard_normal((pairs, images))
    )


def followed(values: np.ndarray, rule: Rule) -> list[tuple[Look, float]]:
    taker = Taker(rule, lambda pairs: values[:pairs])
    for pairs in range(1, len(values) + 1):
        if taker.take(pairs) != OPEN:
            break
    return taker.looks


def told(values: np.ndarray, rule: Rule = RULE) -> tuple[str, int, float, float, float]:
    last, p = followed(values, rule)[-1]
    return str(last.verdict[0]), last.sample.pairs, float(last.low[0]), float(last.high[0]), p


STUDIES = st.tuples(
    st.sampled_from([1, 10, 148]),
    st.sampled_from([0.0, 0.005, 0.01, 0.03]),
    st.sampled_from([0.003, 0.01, 0.02]),
    st.sampled_from([0.0, 0.03, 0.1]),
    st.integers(0, 999),
)


def sample_of(values: np.ndarray) -> Sample:
    pairs, images = values.shape
    over_images = values.mean(axis=0).var(ddof=1) / images if images > 1 else 0.0
    parts = (values.mean(), values.mean(axis=1).var(ddof=1) / pairs, image_part(values), over_images)
    return Sample(pairs, *(np.array([part]) for part in parts), images=images)


@given(st.integers(2, 20), st.sampled_from([1, 10, 148]), st.sampled_from([0.0, 0.1]), st.integers(0, 999))
def test_a_single_look_at_its_nominal_level_is_the_interval_of_the_page(
    pairs: int, images: int, of_image: float, seed: int
) -> None:
    values = draw(pairs, images, 0.01, 0.01, of_image, seed)
    found = estimate(values)
    sample = sample_of(values)
    # Beside that of the page there is the interval over images alone, which may be wider.
    alone = stats.t.ppf(0.975, images - 1) * math.sqrt(sample.over_images[0]) if images > 1 else 0
    assert max((found.high - found.low) / 2, alone) == pytest.approx(half_width(0.05, sample)[0])


@settings(deadline=None)
@given(STUDIES)
def test_seeds_that_come_after_a_verdict_do_not_change_it(study: tuple[int, float, float, float, int]) -> None:
    images, difference, sd, of_image, seed = study
    values = draw(20, images, difference, sd, of_image, seed)
    found = told(values)
    assert found[0] != OPEN
    assert told(values[: found[1]]) == found
    if found[1] > 4:
        assert told(values[: found[1] - 1])[0] == OPEN
    intervals = [(float(item.low[0]), float(item.high[0])) for item, _ in followed(values, RULE)]
    assert all(a[0] <= b[0] and b[1] <= a[1] for a, b in pairwise(intervals))


@settings(deadline=None)
@given(STUDIES)
def test_a_group_and_its_baseline_change_places(study: tuple[int, float, float, float, int]) -> None:
    images, difference, sd, of_image, seed = study
    values = draw(20, images, difference, sd, of_image, seed)
    verdict, pairs, low, high, p = told(values)
    turned = told(-values)
    assert turned[:2] == (MIRRORED.get(verdict, verdict), pairs)
    assert turned[2:] == pytest.approx((-high, -low, p))
    # Images have no order.
    assert told(np.flip(values, 1))[:2] == (verdict, pairs)


@settings(deadline=None)
@given(STUDIES)
def test_verdict_interval_and_p_value_agree(study: tuple[int, float, float, float, int]) -> None:
    images, difference, sd, of_image, seed = study
    verdict, pairs, low, high, p = told(draw(20, images, difference, sd, of_image, seed))
    excludes = low > 0 or high < 0
    assert excludes == (verdict in (BETTER, WORSE))
    assert excludes == (p < 0.05)
    if verdict == UNDECIDED:
        assert pairs == 20 or chance_after(images, difference, sd, of_image, seed, pairs) < FUTILE or low > high


def chance_after(images: int, difference: float, sd: float, of_image: float, seed: int, pairs: int) -> float:
    return float(chance(RULE, sample_of(draw(20, images, difference, sd, of_image, seed)[:pairs]))[0])


def test_what_is_the_same_for_every_image_and_seed_is_equal() -> None:
    assert told(np.zeros((4, 148)))[:2] == (EQUAL, 4)


@pytest.mark.parametrize("value", [0.25, math.nan, math.inf])
def test_what_does_not_vary_or_is_not_finite_is_not_told(value: float) -> None:
    verdict, pairs, low, high, p = told(np.full((20, 3), value))
    assert (verdict, pairs, p) == (UNDECIDED, 20, 1.0)
    assert math.isnan(low)
    assert math.isnan(high)


def test_images_that_are_too_few_end_it_early() -> None:
    # Of 30 images the mean is known to within 2 points at best; no seed mends that.
    verdict, pairs, *_ = told(draw(20, 30, 0.0, 0.002, 0.06))
    assert verdict == NEEDS_IMAGES
    assert pairs < 7
    # A difference that they do show is told.
    assert told(draw(20, 30, 0.1, 0.002, 0.06))[0] == BETTER


def test_a_difference_that_leaps_leaves_nothing_in_common() -> None:
    """The first five pairs say -1 within a hundredth, and all ten that it is about 0."""
    small = np.tile([0.001, -0.001], 3)[:5]
    values = np.concatenate([-1 + small, 1.2 + small])[:, None]
    rule = Rule(0.01, (5, 10), alpha=0.2, futility=0.0)
    first = look(rule, sample_of(values[:5]))
    assert first.verdict[0] == WORSE
    second = look(rule, sample_of(values), first)
    assert (bool(second.empty[0]), second.verdict[0]) == (True, UNDECIDED)


def test_what_would_tell_tells() -> None:
    # Undecided after 20: the margin is as much as the difference varies by the root of 20.
    values = draw(20, 1, 0.0045, 0.01, seed=3)
    [*_, (last, _)] = followed(values, replace(RULE, margin=0.004, futility=0.0))
    assert last.verdict[0] == UNDECIDED
    seeds, images = would_tell(replace(RULE, margin=0.004), last.sample)
    assert images is None
    assert seeds is not None
    assert seeds > 20
    found, sd = float(last.sample.mean[0]), math.sqrt(20 * float(last.sample.seed_part[0]))
    rule = replace(RULE, margin=0.004, futility=0.0)
    critical = {way: stats.norm.isf(at.by_look[20] / 2) for way, at in (("out", rule.differs), ("in", rule.equals))}
    ends = np.random.default_rng(0).normal(found, sd / math.sqrt(seeds), 20_000)
    half = {way: value * sd / math.sqrt(seeds) for way, value in critical.items()}
    told_then = (np.abs(ends) > half["out"]) | (np.abs(ends) < 0.004 - half["in"])
    assert 0.75 < told_then.mean() < 0.9


def test_stopping_for_futility_costs_what_it_says() -> None:
    rule = Rule(1.0, EACH)
    kept = simulated(replace(rule, futility=0.0), 0.0, 2.0, 10_000)
    lost = simulated(rule, 0.0, 2.0, 10_000)
    missing = sum(kept[verdict] - lost[verdict] for verdict in (BETTER, WORSE, EQUAL))
    assert cost_of_futility(rule, 2.0) == pytest.approx(missing, abs=0.03)
    found = chances(rule, 0.0, 2.0)
    assert found.last(EQUAL) == pytest.approx(lost[EQUAL], abs=0.02)
    assert found.by_look[20].keys() <= {BETTER, WORSE, EQUAL, UNDECIDED}


def simulated(rule: Rule, difference: float, sd: float, studies: int) -> dict[str, float]:
    """Return the shares of verdicts over studies without images."""
    values = difference + sd * np.random.default_rng(3).standard_normal((rule.last, studies))
    none = np.zeros(studies)
    verdicts, before = np.full(studies, OPEN, dtype=object), None
    for pairs in rule.looks:
        part = values[:pairs]
        before = look(rule, Sample(pairs, part.mean(0), part.var(0, ddof=1) / pairs, none, none, 1), before)
        still = verdicts == OPEN
        verdicts[still] = before.verdict[still]
    return {verdict: float((verdicts == verdict).mean()) for verdict in (BETTER, WORSE, EQUAL, UNDECIDED)}


@pytest.mark.slow
@pytest.mark.parametrize("futility", [0.0, 0.2])
def test_it_errs_as_rarely_as_stated(futility: float) -> None:
    rule = Rule(1.0, EACH, futility=futility)
    for sd in (0.7, 1.0, 2.0):
        none = simulated(rule, 0.0, sd, 10_000)
        assert none[BETTER] + none[WORSE] < 0.057
        assert simulated(rule, 1.0, sd, 10_000)[EQUAL] < 0.057


def test_one_look_after_each_seed_finds_what_is_there() -> None:
    rule = Rule(1.0, EACH)
    assert simulated(rule, 2.0, 1.0, 4000)[BETTER] > 0.99
    assert simulated(rule, 0.0, 1.0, 4000)[EQUAL] > 0.93
