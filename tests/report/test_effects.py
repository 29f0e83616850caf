"""Main effects and interactions against independent computations."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factorial_sweeps import AUGS, BASE, NETWORKS, TWO, additive, by_level, scores, write
from hypothesis import given, settings
from hypothesis import strategies as st
from intervals import over_seeds, two_way
from scipy import stats
from sweeps import SMALL

from pets_seg.report.study.effects import MainEffect, main_effects
from pets_seg.report.study.factorial import find_factorial
from pets_seg.report.study.groups import Group
from pets_seg.report.study.results import Results, Scores
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import read_study

Cells = dict[tuple[str, ...], np.ndarray]


def test_where_images_do_not_vary_it_is_the_t_test_over_the_means_of_seeds(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, additive, seeds=4, image_deviation=0.0)
    study = read_study([tmp_path / "s"], BASE)
    found = by_level(study.main_effects)
    assert list(found) == ["resnet34_unet", "crop", "elastic"]
    p_values = {}
    for level, item in found.items():
        key, others = ("model", AUGS) if level in NETWORKS else ("aug", NETWORKS)
        other = "aug" if key == "model" else "model"
        means = np.mean(
            [
                (scores(study, {key: level, other: at}) - scores(study, {key: BASE[key], other: at})).mean(axis=1)
                for at in others
            ],
            axis=0,
        )
        expected = stats.ttest_1samp(means, 0.0)
        interval = expected.confidence_interval(0.95)
        assert item.estimate.difference == pytest.approx(means.mean())
        assert (item.estimate.low, item.estimate.high) == pytest.approx((interval.low, interval.high))
        assert item.estimate.p == pytest.approx(expected.pvalue)
        assert (item.estimate.seeds, len(item.pairs), item.left_out) == (4, len(others), [])
        p_values[level] = expected.pvalue
        side = np.mean([scores(study, {key: level, other: at}) for at in others])
        assert item.mean == pytest.approx(side)
        assert item.mean - item.base_mean == pytest.approx(item.estimate.difference)
    highest = 0.0
    for rank, level in enumerate(sorted(p_values, key=p_values.get)):
        highest = max(highest, min(1.0, (3 - rank) * p_values[level]))
        assert found[level].p_holm == pytest.approx(highest)


def test_where_images_vary_it_is_the_wider_of_the_interval_over_seeds_and_that_over_both(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, additive, seeds=3)
    study = read_study([tmp_path / "s"], BASE)
    for metric, column in (("test_dice", "dice"), ("test_iou", "iou")):
        item = by_level(main_effects(study.factorial, metric))["crop"]
        values = np.mean(
            [
                scores(study, {"model": at, "aug": "crop"}, column)
                - scores(study, {"model": at, "aug": "none"}, column)
                for at in NETWORKS
            ],
            axis=0,
        )
        ends = [interval(values, np.random.default_rng(0)) for interval in (over_seeds, two_way)]
        assert item.estimate.low == pytest.approx(min(low for low, _ in ends))
        assert item.estimate.high == pytest.approx(max(high for _, high in ends))
        assert item.estimate.images == SMALL["images"]


def run(values: np.ndarray, seed: int) -> Run:
    table = pd.DataFrame({"dice": values}, index=[f"pet_{index}" for index in range(len(values))])
    return Run(
        Path("run"), "finished", None, seed, {}, {}, {}, {}, {"test_dice": float(values.mean())},
        Results(scores=Scores({"test": table})),
    )  # fmt: skip


def effects_of(keys: tuple[str, ...], cells: Cells, base: tuple[str, ...]) -> dict[tuple[str, str], MainEffect]:
    """Return the main effects of cells with scores (seeds, images), by key and level."""
    groups = [
        Group(" ".join(cell), dict(zip(keys, cell, strict=True)), runs, runs)
        for cell, values in cells.items()
        if (runs := [run(row, seed) for seed, row in enumerate(values)])
    ]
    [first] = [group for group in groups if tuple(group.values.values()) == base]
    found = main_effects(find_factorial(groups, {"other": first}), "test_dice")
    return {(item.factor.key, item.level): item for item in found}


def figures(item: MainEffect) -> np.ndarray:
    return np.array([item.estimate.difference, item.estimate.low, item.estimate.high])


DESIGNS = st.tuples(
    st.lists(st.integers(2, 3), min_size=2, max_size=3), st.integers(2, 4), st.integers(1, 6), st.integers(0, 999)
)


@settings(deadline=None, max_examples=15)
@given(DESIGNS, st.floats(-0.1, 0.1), st.randoms(use_true_random=False))
def test_names_and_order_decide_nothing_and_a_constant_shifts_its_level_alone(
    design: tuple[list[int], int, int, int], constant: float, random: Any
) -> None:
    sizes, seeds, images, number = design
    generator = np.random.default_rng(number)
    keys = tuple(f"factor{index}" for index in range(len(sizes)))
    names = [[f"level{index}" for index in range(size)] for size in sizes]
    cells: Cells = {cell: generator.normal(0.7, 0.05, (seeds, images)) for cell in product(*names)}
    base = tuple(levels[0] for levels in names)
    found = effects_of(keys, cells, base)
    assert len(found) == sum(sizes) - len(sizes)
    items = list(cells.items())
    random.shuffle(items)
    shuffled = effects_of(keys, dict(items), base)
    # Written in another order, too.
    renamed = {level: f"{9 - int(level[-1])} {level}" for level in names[0] + names[-1]}
    others = effects_of(
        keys,
        {tuple(renamed.get(level, level) for level in cell): values for cell, values in cells.items()},
        tuple(renamed.get(level, level) for level in base),
    )
    # A factor whose level is raised, by a constant, in all combinations.
    raised = effects_of(keys, {cell: values + constant * (cell[0] == "level1") for cell, values in cells.items()}, base)
    for (key, level), item in found.items():
        for same in (shuffled[key, level], others[key, renamed.get(level, level)]):
            assert figures(same) == pytest.approx(figures(item), rel=1e-6, abs=1e-12)
            assert (same.estimate.p, same.p_holm) == pytest.approx((item.estimate.p, item.p_holm))
        shift = constant if (key, level) == ("factor0", "level1") else 0.0
        assert figures(raised[key, level]) == pytest.approx(figures(item) + shift, abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=3), st.integers(0, 999))
def test_planted_effects_of_a_balanced_additive_design_are_recovered(planted: list[float], number: int) -> None:
    generator = np.random.default_rng(number)
    # The same noise in every cell, as if each seed and image were the same everywhere, is paired away.
    noise = generator.normal(0.5, 0.2, (3, 5))
    levels = {"b": planted[0], "c": planted[1], "y": planted[2]}
    cells = {cell: noise + sum(levels.get(level, 0.0) for level in cell) for cell in product("abc", "xy", "pq")}
    found = effects_of(("one", "two", "three"), cells, ("a", "x", "p"))
    for (_, level), item in found.items():
        assert item.estimate.difference == pytest.approx(levels.get(level, 0.0), abs=1e-12)


@pytest.mark.slow
def test_an_interval_holds_the_true_main_effect_as_often_as_stated() -> None:
    generator = np.random.default_rng(0)
    truth = {"elastic": 0.03, "crop": -0.01, "resnet34_unet": 0.02}
    held = dict.fromkeys(truth, 0)
    studies = 250
    for _ in range(studies):
        cells: Cells = {
            cell: sum(truth.get(level, 0.0) for level in cell)
            + 0.7
            + generator.normal(0, 0.01, (4, 1))
            + generator.normal(0, 0.02, (1, 20))
            + generator.normal(0, 0.05, (4, 20))
            for cell in product(NETWORKS, AUGS)
        }
        for (_, level), item in effects_of(("model", "aug"), cells, ("unet", "none")).items():
            held[level] += item.estimate.low <= truth[level] <= item.estimate.high
    # 95 % of 250 are 237.5; 224 is 3.9 standard deviations fewer. The wider of two intervals may hold it more often.
    assert all(224 <= count <= 249 for count in held.values()), held


def test_only_seeds_that_all_groups_of_a_mean_have_enter(tmp_path: Path) -> None:
    runs = write(tmp_path / "s", TWO, additive, seeds=4)
    # The last two seeds of resnet34_unet with crop, which are in the means of both.
    for gone in runs[-2:]:
        (gone / "summary.json").unlink()
        (gone / "status.json").write_text((gone / "status.json").read_text().replace("finished", "interrupted"))
    study = read_study([tmp_path / "s"], BASE)
    found = by_level(study.main_effects)
    assert {level: item.estimate.seeds for level, item in found.items()} == {
        "resnet34_unet": 2,
        "crop": 2,
        "elastic": 4,
    }
    pairs = [
        (scores(study, {"model": at, "aug": "crop"}), scores(study, {"model": at, "aug": "none"})) for at in NETWORKS
    ]
    expected = np.mean([ours[:2] - theirs[:2] for ours, theirs in pairs], axis=0)
    # The images of a run are in another order than in its file.
    np.testing.assert_allclose(np.sort(found["crop"].paired), np.sort(expected), atol=1e-12)
