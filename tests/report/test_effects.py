"""Main effects and interactions against independent computations, and what is said of them."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intervals import over_seeds, two_way
from scipy import stats
from sweeps import SMALL, make_constant, write_sweep

from pets_seg.report.effects import effect_sentences
from pets_seg.report.effects_file import COLUMNS, NAME
from pets_seg.report.factor_table import factor_tables
from pets_seg.report.sentences import answer
from pets_seg.report.study.effects import MainEffect, interactions, main_effects
from pets_seg.report.study.factorial import find_factorial
from pets_seg.report.study.groups import Group
from pets_seg.report.study.results import Results, Scores
from pets_seg.report.study.runs import Run
from pets_seg.report.study.study import Study, read_study, spread
from pets_seg.report.tables import write_tables

NETWORKS, AUGS = ("unet", "resnet34_unet"), ("none", "elastic", "crop")
TWO = {"model": NETWORKS, "aug": AUGS}
BASE = {"model": "unet", "aug": "none"}
# Of elastic, crop and resnet34_unet.
PLANTED = {"elastic": -0.02, "crop": -0.05, "resnet34_unet": 0.01}
Cells = dict[tuple[str, ...], np.ndarray]


def write(folder: Path, factors: dict[str, tuple[str, ...]], effect: Callable[..., float], **more: Any) -> list[Path]:
    """Write a sweep over options; `effect` of their names gives that on the Dice of every image."""
    groups = {}
    for cell in product(*factors.values()):
        config = {f"{key}.name": name for key, name in zip(factors, cell, strict=True)}
        groups[" ".join(cell)] = {"config": config, "effect": effect(*cell)}
    return write_sweep(folder, groups, **{**SMALL, **more})


def additive(*cell: str) -> float:
    # Far from 1, above which a Dice is cut off.
    return sum(PLANTED.get(level, 0.0) for level in cell) - 0.1


def scores(study: Study, values: dict[str, str], column: str = "dice") -> np.ndarray:
    """Return the test scores (seeds, images) of a group as its files hold them."""
    [found] = [group for group in study.groups if group.values == values]
    tables = [pd.read_csv(run.folder / "per_image.csv") for run in sorted(found.runs, key=lambda run: run.seed)]
    return np.array([table.loc[table["split"] == "test", column] for table in tables])


def by_level(effects: list[MainEffect]) -> dict[str, MainEffect]:
    return {item.level: item for item in effects}


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


def test_combinations_that_lack_runs_are_left_out_and_named(tmp_path: Path) -> None:
    groups = {
        f"{model} {aug}": {"config": {"model.name": model, "aug.name": aug}, "effect": additive(model, aug)}
        | ({"state": "failed"} if (model, aug) == ("resnet34_unet", "crop") else {})
        for model, aug in product(NETWORKS, AUGS)
    }
    write_sweep(tmp_path / "s", groups, seeds=3, **SMALL)
    study = read_study([tmp_path / "s"], BASE)
    found = by_level(study.main_effects)
    assert {level: (len(item.pairs), item.left_out) for level, item in found.items()} == {
        "resnet34_unet": (2, ["crop"]),
        "crop": (1, ["resnet34_unet"]),
        "elastic": (2, []),
    }
    alone = scores(study, {"model": "unet", "aug": "crop"}) - scores(study, BASE)
    assert found["crop"].estimate.difference == pytest.approx(alone.mean())
    said = effect_sentences(study)
    assert any(
        text.startswith("Averaged over 2 of the 3 augmentations (runs are missing with crop), ") for text in said
    )
    assert any(
        text.startswith("With unet alone, one of the 2 networks (runs are missing with resnet34_unet), ")
        for text in said
    )
    [table] = factor_tables(study)
    assert [row[5] for row in table.rows] == ["", "2 of 3", "", "2", "1 of 2"]
    # The means of the rows of `aug` are over different networks.
    assert table.rows[2][2] == ""
    assert "Where runs are missing" in table.note


def test_with_one_seed_there_is_neither_an_interval_nor_a_p_value(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, lambda *cell: 5 * additive(*cell) + 0.4, seeds=1)
    study = read_study([tmp_path / "s"], BASE)
    for item in study.main_effects:
        assert all(map(math.isnan, (item.estimate.low, item.estimate.high, item.estimate.p, item.p_holm)))
        assert math.isfinite(item.estimate.difference)
    said = effect_sentences(study)
    assert len(said) == 3
    for text in said:
        assert text.startswith("Averaged over the ")
        assert "with one seed; this leaves out how much training varies" in text
        assert "CI" not in text
    [table] = factor_tables(study)
    assert all(row[4] == "" and "(" not in row[3] for row in table.rows)
    assert "With one seed there is no interval" in table.note
    write_tables(study, tmp_path)
    frame = pd.read_csv(tmp_path / NAME)
    assert frame[["ci_low", "ci_high", "p", "p_holm"]].isna().all().all()


def test_the_answer_begins_with_main_effects_then_interactions_then_groups(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, additive, seeds=4, seed_deviation=0.001, image_deviation=0.001)
    said = answer(read_study([tmp_path / "s"], BASE))
    assert said[0].startswith("Averaged over the 3 augmentations, resnet34_unet raises test Dice by ")
    assert said[0].endswith(", 4 seeds) against unet.")
    assert said[1].startswith("Averaged over the 2 networks, crop lowers test Dice by ")
    assert said[2].startswith("Averaged over the 2 networks, elastic lowers test Dice by ")
    assert [text.startswith("The effect of aug=") for text in said[3:5]] == [True, True]
    assert [text.startswith("model=") for text in said[5:]] == [True] * (len(said) - 5)
    assert not any("average over effects that differ" in text for text in said)


def test_of_effects_that_differ_it_says_that_the_average_is_over_these(tmp_path: Path) -> None:
    def effect(*cell: str) -> float:
        return additive(*cell) + 0.2 * (cell == ("resnet34_unet", "elastic")) - 0.1

    write(tmp_path / "s", TWO, effect, seeds=4, seed_deviation=0.001)
    study = read_study([tmp_path / "s"], BASE)
    assert [item.p_holm < 0.05 for item in study.interactions if item.level == "elastic"] == [True]
    said = {text.split(",")[1].split()[0]: text for text in effect_sentences(study)}
    assert said["elastic"].endswith(" against none. This is an average over effects that differ with model, see below.")
    assert said["resnet34_unet"].endswith("This is an average over effects that differ with aug, see below.")
    assert "This is an average" not in said["crop"]
    # The mean of a main effect is that of the effects in either network.
    means = {group.name: spread(group, "test_dice").mean for group in study.groups}
    gains = [means[f"model={at} aug=elastic"] - means[f"model={at} aug=none"] for at in NETWORKS]
    assert by_level(study.main_effects)["elastic"].estimate.difference == pytest.approx(np.mean(gains))
    [crossed] = [item for item in interactions(study.factorial) if item.level == "elastic"]
    assert crossed.estimate.difference == pytest.approx(gains[1] - gains[0])


def test_of_three_factors_each_is_averaged_over_the_others(tmp_path: Path) -> None:
    factors = {"model": NETWORKS, "aug": ("none", "crop"), "scheduler": ("constant", "cosine")}
    write(tmp_path / "s", factors, additive, seeds=3, seed_deviation=0.001, image_deviation=0.001)
    study = read_study([tmp_path / "s"], BASE | {"scheduler": "constant"})
    assert study.interactions == []
    said = effect_sentences(study)
    assert said[0].startswith(
        "Averaged over the 4 combinations of aug and scheduler, resnet34_unet raises test Dice by "
    )
    assert said[1].startswith("Averaged over the 4 combinations of model and scheduler, crop lowers test Dice by ")
    assert said[2].startswith(
        "Averaged over the 4 combinations of model and aug, no difference of cosine from constant"
    )


def test_of_many_levels_those_without_a_sentence_are_counted(tmp_path: Path) -> None:
    names = ("none", *(f"a{index}" for index in range(9)))
    gains = {"a1": 0.05, "a3": -0.05, "a5": 0.02, "a6": 0.03}
    factors = {"model": NETWORKS, "aug": names}
    write(tmp_path / "s", factors, lambda _, aug: gains.get(aug, 0) - 0.1, seeds=6, seed_deviation=0.001)
    study = read_study([tmp_path / "s"], BASE)
    [network] = [text for text in effect_sentences(study) if "augmentations" in text]
    assert network.startswith("Averaged over the 10 augmentations, no difference of resnet34_unet from unet")
    levels = [text for text in effect_sentences(study, 2) if "networks" in text]
    assert [text.split(",")[1].split()[0] for text in levels[:2]] == ["a3", "a1"]
    assert levels[2] == (
        "Averaged over the 2 networks, of the other 7 levels of aug 2 raise and 0 lower test Dice against none; 5 "
        "cannot be told apart from it."
    )
    write(tmp_path / "t", factors, lambda *_: -0.1, seeds=2, seed_deviation=0.02)
    same = effect_sentences(read_study([tmp_path / "t"], BASE))
    assert same[1:] == [
        "Averaged over the 2 networks, no difference from none can be told apart for the 9 levels of aug."
    ]


def test_networks_that_predict_one_class_have_no_main_effect(tmp_path: Path) -> None:
    for folder in write(tmp_path / "s", TWO, additive, seeds=2):
        make_constant(folder, "background")
    said = effect_sentences(read_study([tmp_path / "s"], BASE))
    assert len(said) == 3
    assert all("have the same Dice in every test image" in text for text in said)


def test_settings_that_go_along_with_a_network_are_named(tmp_path: Path) -> None:
    groups = {
        f"{model} {aug}": {
            "config": {"model.name": model, "aug.name": aug, "train.batch_size": size},
            "effect": additive(model, aug),
        }
        for (model, size), aug in product((("unet", 20), ("resnet34_unet", 60)), AUGS)
    }
    write_sweep(tmp_path / "s", groups, seeds=2, **SMALL)
    study = read_study([tmp_path / "s"], {**BASE, "train.batch_size": 20})
    assert any("resnet34_unet (with its train.batch_size)" in text for text in effect_sentences(study))
    assert len(study.interactions) == 2
    [table] = factor_tables(study)
    assert table.rows[1][:2] == ["model, train.batch_size", "resnet34_unet"]


def test_main_effects_csv_has_every_figure_and_goes_with_the_sweep(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, additive, seeds=3)
    study = read_study([tmp_path / "s"], BASE)
    write_tables(study, tmp_path)
    frame = pd.read_csv(tmp_path / NAME)
    assert list(frame.columns) == COLUMNS
    assert list(frame["metric"].unique()) == ["test_dice", "test_iou", "test_loss", "val_dice"]
    assert len(frame) == 3 * 4
    rows = frame[frame["metric"] == "test_dice"].set_index("level")
    for level, item in by_level(study.main_effects).items():
        row = rows.loc[level]
        assert (row["difference"], row["ci_low"], row["ci_high"]) == pytest.approx(
            (item.estimate.difference, item.estimate.low, item.estimate.high), rel=1e-12
        )
        assert (row["p"], row["p_holm"]) == pytest.approx((item.estimate.p, item.p_holm), rel=1e-12)
        assert (row["combinations"], row["left_out"], row["seeds"]) == (len(item.pairs), 0, 3)
        assert row["base_level"] in ("none", "unet")
    write_sweep(tmp_path / "t", {"none": {}, "crop": {}}, **SMALL)
    write_tables(read_study([tmp_path / "t"]), tmp_path)
    assert not (tmp_path / NAME).exists()


def test_with_a_baseline_for_each_network_these_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path / "s", TWO, additive, seeds=3)
    study = read_study([tmp_path / "s"], "none")
    assert [item.level for item in study.main_effects] == ["crop", "elastic"]
    [table] = factor_tables(study)
    assert {row[0] for row in table.rows} == {"aug"}
    assert "model: the baselines differ in it" in table.note
