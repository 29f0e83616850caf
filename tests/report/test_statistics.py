"""Intervals, p-values and corrections against SciPy, and how often the procedure is wrong."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intervals import SIZES, draw, false_alarms
from scipy import stats

from pets_seg.report.study.statistics import MOST_SEEDS, estimate, holm, over_seeds, seeds_needed


def differences(seeds: int, images: int, size: str, effect: float = 0.0, seed: int = 0) -> np.ndarray:
    return draw(np.random.default_rng(seed), seeds, images, SIZES[size]) + effect


def test_without_images_it_is_the_paired_t_test_of_scipy() -> None:
    ours, theirs = np.random.default_rng(0).normal((0.80, 0.79), 0.01, (4, 2)).T
    expected = stats.ttest_rel(ours, theirs)
    interval = expected.confidence_interval(0.95)
    found = estimate((ours - theirs)[:, None])
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.seeds, found.images) == (4, 0)


def test_where_images_add_nothing_it_is_the_paired_t_test_over_seeds() -> None:
    # Every image has the same difference but for noise: the choice of images decides nothing.
    values = np.array([[0.01], [0.02], [0.04]]) + np.tile([0.001, -0.001], 50)
    found = estimate(values)
    expected = stats.ttest_1samp(values.mean(axis=1), 0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.low == pytest.approx(expected.confidence_interval(0.95).low)
    assert (found.seeds, found.images) == (3, 100)


def test_one_seed_is_a_t_test_over_images() -> None:
    values = differences(1, 148, "as in the quickstart", effect=0.01)
    expected = stats.ttest_1samp(values[0], 0)
    found = estimate(values)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    # How much training varies is not known.
    assert math.isnan(found.p)


def test_one_value_has_no_interval() -> None:
    found = estimate(np.array([[0.02]]))
    assert found.difference == 0.02
    assert all(math.isnan(value) for value in (found.low, found.high, found.p))


SAME_SEEDS = np.tile(np.linspace(0.1, 0.3, 148), (3, 1))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 148)),
        np.zeros((1, 148)),
        np.full((3, 148), 0.25),
        np.full((2, 1), 0.25),
        np.full((2, 3), math.inf),
        SAME_SEEDS,
        SAME_SEEDS + np.tile([1e-16, -1e-16], 74),
    ],
)
def test_what_does_not_vary_is_not_known_and_not_claimed(values: np.ndarray) -> None:
    found = estimate(values)
    assert all(math.isnan(value) for value in (found.low, found.high, found.p))


@given(st.integers(2, 6), st.integers(2, 40), st.sampled_from(list(SIZES)), st.floats(-0.05, 0.05), st.integers(0, 999))
def test_the_interval_excludes_zero_just_when_p_is_below_its_level(
    seeds: int, images: int, size: str, effect: float, seed: int
) -> None:
    values = differences(seeds, images, size, effect, seed)
    found = estimate(values)
    assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
    assert found.low <= found.difference <= found.high
    turned = estimate(-values)
    assert (turned.low, turned.high, turned.p) == pytest.approx((-found.high, -found.low, found.p))
    scaled = estimate(values * 100)
    assert (scaled.low, scaled.high, scaled.p) == pytest.approx((found.low * 100, found.high * 100, found.p))
    if seeds > 1:
        alone = stats.t.interval(0.95, seeds - 1, values.mean(), stats.sem(values.mean(axis=1)))
        assert found.low <= alone[0] + 1e-12
        assert found.high >= alone[1] - 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("images", [10, 148])
def test_false_alarms_are_as_rare_as_stated(images: int, seeds: int, size: str) -> None:
    share, _ = false_alarms("wider of both t", seeds, SIZES[size], studies=3000, images=images)
    # Of 3,000 studies without a difference 5 % would be 150; 6.5 % is 3.8 standard deviations more.
    assert 0.015 < share < (0.065 if images > 10 else 0.075)


def test_the_simulation_finds_procedures_that_alarm_too_often() -> None:
    assert false_alarms("bootstrap", 3, SIZES["seeds alone"], studies=150)[0] > 0.09
    assert false_alarms("t over seeds", 10, SIZES["images alone"], studies=150)[0] > 0.5
    assert false_alarms("two-way", 2, SIZES["mostly seeds"], studies=800)[0] > 0.07


def test_a_difference_that_is_there_is_found() -> None:
    found = [estimate(differences(5, 148, "as in the quickstart", 0.03, seed)).p < 0.05 for seed in range(100)]
    assert sum(found) > 90


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    found = holm([0.02, math.nan, 0.01])
    assert found[0] == found[2] == pytest.approx(0.02)
    assert math.isnan(found[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float]) -> None:
    corrected = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    rejected = set()
    for rank, index in enumerate(order):
        if p_values[index] * (len(p_values) - rank) >= 0.05:
            break
        rejected.add(int(index))
    assert {index for index, p in enumerate(corrected) if p < 0.05} == rejected


def test_mean_deviation_and_interval_over_seeds_are_those_of_scipy() -> None:
    values = [0.81, 0.83, 0.8]
    mean, deviation, low, high = over_seeds(values)
    assert (mean, deviation) == pytest.approx((np.mean(values), stats.tstd(values)))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 2, np.mean(values), stats.sem(values)))
    assert [math.isnan(value) for value in over_seeds([0.8])] == [False, True, True, True]


def test_so_many_seeds_do_find_the_difference() -> None:
    # The pilot's own variance is the truth of the studies that follow it.
    pilot = differences(40, 400, "seeds alone")
    needed = seeds_needed(pilot, 0.02)
    spread = pilot.mean(axis=1).std(ddof=1)
    generator = np.random.default_rng(1)
    found = [stats.ttest_1samp(generator.normal(0.02, spread, needed), 0).pvalue < 0.05 for _ in range(1000)]
    assert 0.75 < np.mean(found) < 0.87
    assert seeds_needed(pilot, 0.01) > 2 * needed
    assert seeds_needed(pilot[:, :1] * 100, 0.005) == MOST_SEEDS


def test_no_number_of_seeds_makes_up_for_few_images() -> None:
    assert seeds_needed(differences(3, 148, "images alone"), 0.005) is None
