"""The simulation of sequential sweeps draws what it says, decides as the sweep does, and continues its table."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import simulate
from intervals import draw as draw_values
from procedures import ALPHA, LOOKS, Outcome, _mixture_width, follow, procedures
from scipy import integrate, stats
from scipy.linalg import helmert
from simulate import Cell, figures, highest
from studies import LAST, SIZES, Studies, contrasts, draw, run_means

from pets_seg.report.sequential.intervals import Rule, Sample
from pets_seg.report.sequential.looks import NEEDS_IMAGES, OPEN, UNDECIDED, Look, Taker
from pets_seg.report.study.statistics import estimate, image_part
from pets_seg.run_folder.design import BETTER, EQUAL, WORSE

SIZE = SIZES["as in the quickstart"]
MARGIN = 0.01


def values_of(seed: int, images: int, groups: int, studies: int) -> np.ndarray:
    """Return the differences (groups, LAST, images, studies) whose means and contrasts `draw` had."""
    vectors = contrasts(np.random.default_rng((seed, 1, 0)), SIZE, images, groups + 1, 250)[..., :studies]
    scores = run_means(seed, SIZE, images, groups + 1, studies)
    # Any orthonormal basis of what has no mean will do.
    basis = helmert(images)[: vectors.shape[2]]
    by_image = np.einsum("rack,ci->raik", vectors, basis)
    runs = scores[:, :, None] + by_image[:, :LAST] + by_image[:, LAST:]
    return runs[1:] - runs[0]


def taken(rule: Rule, values: np.ndarray) -> Look:
    """Return the look at which a sweep with these values ends."""
    taker = Taker(rule, lambda pairs: values[:pairs])
    for pairs in range(1, LAST + 1):
        if taker.take(pairs) != OPEN:
            break
    return taker.looks[-1][0]


# Fewer contrasts than vectors, and more.
@pytest.mark.parametrize(("images", "groups"), [(10, 1), (60, 1), (10, 2), (100, 2)])
def test_each_study_is_told_what_a_sweep_with_its_values_would_be(images: int, groups: int) -> None:
    studies = 12
    drawn = draw(7, SIZE, images, groups, studies)
    teller, looks = procedures(groups)["sequential"]
    found = follow(teller, looks, drawn, 1.0, MARGIN)
    values = 1.0 + values_of(7, images, groups, studies) / MARGIN
    rule = Rule(1.0, LOOKS, ALPHA, groups)
    for group in range(groups):
        for study in range(studies):
            one = values[group, :, :, study]
            parts = [image_part(one[:pairs]) for pairs in LOOKS]
            assert drawn.of_images[LOOKS, group * studies + study] / MARGIN**2 == pytest.approx(parts, abs=1e-12)
            last = taken(rule, one)
            assert (found.verdict[group, study], found.pairs[group, study]) == (last.verdict[0], last.sample.pairs)
            ends = found.low[group, study], found.high[group, study]
            assert ends == pytest.approx((last.low[0], last.high[0]))


@pytest.mark.parametrize("images", [10, 100])
def test_the_parts_of_images_are_distributed_as_those_of_drawn_values(images: int) -> None:
    studies = 1500
    parts = np.moveaxis(draw(3, SIZE, images, 2, studies).of_images.reshape(LAST + 1, 2, studies), 0, 1)
    generator = np.random.default_rng(11)
    direct = np.empty((2, 2, studies))
    for study in range(studies):
        baseline, *others = (draw_values(generator, LAST, images, SIZE) / math.sqrt(2) for _ in range(3))
        for group, other in enumerate(others):
            direct[group, :, study] = [image_part((other - baseline)[:pairs]) for pairs in (4, LAST)]
    ours = parts[:, (4, LAST)]
    for group in range(2):
        for look in range(2):
            assert stats.ks_2samp(ours[group, look], direct[group, look]).pvalue > 0.01
    # Groups and looks belong together as much.
    for item, other in zip(*(np.corrcoef(part.reshape(4, -1)) for part in (ours, direct)), strict=True):
        assert item == pytest.approx(other, abs=4 * math.sqrt(2 / studies))
    assert np.corrcoef(ours[:, 1])[0, 1] > 0.15


def test_verdicts_are_as_frequent_as_by_the_slow_way() -> None:
    slow, quick = 250, 4000
    rule = Rule(1.0, LOOKS)
    generator = np.random.default_rng(2)
    verdicts = []
    for _ in range(slow):
        values = 1.0 + draw_values(generator, LAST, 10, SIZE) / MARGIN
        verdicts.append(str(taken(rule, values).verdict[0]))
    teller, looks = procedures(1)["sequential"]
    found = follow(teller, looks, draw(5, SIZE, 10, 1, quick), 1.0, MARGIN).verdict
    assert set(np.unique(found)) <= {BETTER, WORSE, EQUAL, UNDECIDED, NEEDS_IMAGES}
    for verdict in (BETTER, EQUAL, UNDECIDED, NEEDS_IMAGES):
        share = (found == verdict).mean()
        assert verdicts.count(verdict) / slow == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / slow))


def test_a_fixed_design_has_the_interval_of_the_page() -> None:
    found = follow(*procedures(1)["fixed"], draw(7, SIZE, 60, 1, 5), 0.0, MARGIN)
    for study, values in enumerate(np.moveaxis(values_of(7, 60, 1, 5)[0], -1, 0)):
        page = estimate(values / MARGIN)
        assert (found.low[0, study], found.high[0, study]) == pytest.approx((page.low, page.high))
    assert (found.runs == 2 * LAST).all()


@pytest.mark.parametrize("count", [5, 20])
def test_the_mixture_is_an_e_value_and_its_interval_ends_where_that_is_one_over_alpha(count: int) -> None:
    def value(t: float) -> float:
        r, x = 1 / (count + 1), t**2 / (count - 1)
        return math.sqrt(r) * ((1 + x) / (1 + r * x)) ** (count / 2)

    mean, _ = integrate.quad(lambda t: value(t) * stats.t.pdf(t, count - 1), -math.inf, math.inf)
    assert mean == pytest.approx(1, abs=1e-6)
    one = np.array([1.0])
    half = float(_mixture_width(0.1, Sample(count, one, one, 0 * one, 0 * one, 1))[0])
    assert value(half) == pytest.approx(10)


def test_errors_are_counted_by_study_and_verdicts_by_group() -> None:
    told = np.array([[BETTER, EQUAL, UNDECIDED, EQUAL], [EQUAL, EQUAL, BETTER, NEEDS_IMAGES]])
    pairs = np.array([[4, 6, 20, 5], [5, 5, 4, 4]])
    outcome = Outcome(told, pairs, np.full((2, 4), -0.5), np.full((2, 4), 1.5))
    found = figures(outcome, outcome, outcome)
    assert found["false_difference"] == 0.5
    assert found["false_equal"] == 0.75
    assert (found["missed_0"], found["missed_1"], found["missed_2"]) == (0, 0, 1)
    assert (found["better_1"], found["equal_0"], found["needs_images_2"]) == (0.25, 0.5, 0.125)
    assert found["runs_0"] == np.mean([4 + 5 + 5, 6 + 5 + 6, 20 + 4 + 20, 5 + 4 + 5])
    assert highest(0.04, 2000) == pytest.approx(stats.binomtest(80, 2000).proportion_ci(0.99).high)


def test_the_table_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table.csv"
    two = [Cell("normal", "seeds alone", 1, 10, 1.0), Cell("skew", "mostly seeds", 2, 10, 0.7)]
    monkeypatch.setattr(simulate, "cells", lambda: iter(two))
    monkeypatch.setattr(sys, "argv", ["simulate.py", "--studies", "20", "--out", str(table)])
    simulate.main()
    whole = table.read_text()
    assert len(whole.splitlines()) == 1 + 2 * len(procedures(1))
    table.write_text(whole[:-150])
    simulate.main()
    assert table.read_text() == whole
    for item in simulate.read(table):
        assert float(item["runs_0"]) <= LAST * (int(item["groups"]) + 1)
        assert item["studies"] == ("200" if item["procedure"] == "sequential" else "20")


def test_with_the_same_seed_the_first_of_many_are_those_of_few() -> None:
    few, many = (draw(1, SIZE, 10, 2, studies) for studies in (3, 600))
    assert isinstance(few, Studies)
    assert np.array_equal(few.means.reshape(LAST, 2, 3), many.means.reshape(LAST, 2, 600)[..., :3])
    assert np.array_equal(
        few.of_images.reshape(LAST + 1, 2, 3), many.of_images.reshape(LAST + 1, 2, 600)[..., :3], equal_nan=True
    )
