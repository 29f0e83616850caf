"""What is said of main effects and interactions, in sentences, tables and files."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from factorial_sweeps import AUGS, BASE, NETWORKS, TWO, additive, by_level, scores, write
from sweeps import SMALL, make_constant, write_sweep

from pets_seg.report.effects import effect_sentences, interaction_sentences
from pets_seg.report.effects_file import COLUMNS, NAME
from pets_seg.report.factor_table import factor_tables
from pets_seg.report.sentences import answer
from pets_seg.report.study.effects import interactions
from pets_seg.report.study.study import read_study, spread
from pets_seg.report.tables import write_tables


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


def test_where_baselines_differ_in_a_factor_the_level_that_effects_are_against_is_named(tmp_path: Path) -> None:
    cells = product((0.1, 0.001, 0.01), ("none", "crop"))
    config = [{"optimizer.lr": rate, "aug.name": aug} for rate, aug in cells]
    groups = {
        str(number): {"config": cell, "effect": -0.1 * cell["optimizer.lr"]} for number, cell in enumerate(config)
    }
    write_sweep(tmp_path / "s", groups, **SMALL)
    within = interaction_sentences(read_study([tmp_path / "s"], {"aug": "none"}))
    named = [f"The effect of optimizer.lr={rate} (against optimizer.lr=0.001) on test Dice" for rate in ("0.01", "0.1")]
    assert sorted(text.partition(":")[0].partition(" is ")[0] for text in within) == named
    every = interaction_sentences(read_study([tmp_path / "s"], {"aug": "none", "optimizer.lr": 0.1}))
    assert len(every) == 2
    assert not any("against" in text for text in every)


def test_a_level_without_a_baseline_is_no_base_level(tmp_path: Path) -> None:
    # Of the least learning rate crop alone has finished.
    cells = [(rate, aug) for rate in (0.1, 0.001, 0.01) for aug in ("none", "crop", "hflip")]
    groups = {
        str(cell): {
            "config": {"optimizer.lr": cell[0], "aug.name": cell[1]},
            "state": "failed" if cell[0] == 0.001 and cell[1] != "crop" else "finished",
        }
        for cell in cells
    }
    write_sweep(tmp_path / "s", groups, **SMALL)
    study = read_study([tmp_path / "s"], {"aug": "none"})
    assert [(item.level, len(item.pairs)) for item in study.main_effects] == [("crop", 2), ("hflip", 2)]
    said = interaction_sentences(study)
    assert len(said) == 2
    assert all(text.startswith("The effect of optimizer.lr=0.1 (against optimizer.lr=0.01) on ") for text in said)


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
        "Averaged over the 4 combinations of model and aug, cosine cannot be told apart from constant"
    )


def test_of_many_levels_those_without_a_sentence_are_counted(tmp_path: Path) -> None:
    names = ("none", *(f"a{index}" for index in range(9)))
    gains = {"a1": 0.05, "a3": -0.05, "a5": 0.02, "a6": 0.03}
    factors = {"model": NETWORKS, "aug": names}
    write(tmp_path / "s", factors, lambda _, aug: gains.get(aug, 0) - 0.1, seeds=6, seed_deviation=0.001)
    study = read_study([tmp_path / "s"], BASE)
    [network] = [text for text in effect_sentences(study) if "augmentations" in text]
    assert network.startswith("Averaged over the 10 augmentations, resnet34_unet cannot be told apart from unet")
    levels = [text for text in effect_sentences(study, 2) if "networks" in text]
    assert [text.split(",")[1].split()[0] for text in levels[:2]] == ["a3", "a1"]
    assert levels[2] == (
        "Averaged over the 2 networks, of the other 7 levels of aug 2 raised test Dice against none and 5 cannot be "
        "told apart from none."
    )
    write(tmp_path / "t", factors, lambda *_: -0.1, seeds=2, seed_deviation=0.02)
    same = effect_sentences(read_study([tmp_path / "t"], BASE))
    assert same[1:] == ["Averaged over the 2 networks, none of the 9 levels of aug can be told apart from none."]
    write(tmp_path / "u", factors, lambda _, aug: gains.get(aug, 0) - 0.1, seeds=1)
    alone = effect_sentences(read_study([tmp_path / "u"], BASE))
    assert alone[1:] == [
        "Averaged over the 2 networks, of the 9 levels of aug 9 had one seed, which does not say how much training "
        "varies."
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
