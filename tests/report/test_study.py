"""From run folders to what is said of them: what differs, what is compared with what, what was left out."""

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sweeps import SMALL, sweep, write_sweep

from pets_seg.errors import InputError
from pets_seg.report.limits import remarks
from pets_seg.report.sentences import answer
from pets_seg.report.study.runs import read_run
from pets_seg.report.study.statistics import holm
from pets_seg.report.study.study import reached, read_study, spread
from pets_seg.report.tables import comparison_frame, course_table, main_table, markdown, runs_frame

COLUMNS = "group baseline metric mean baseline_mean difference ci_low ci_high p p_holm seeds images"
FACTORS = {
    f"{model} {aug}": {"effect": effect, "config": {"model.name": model, "aug.name": aug}, "parameters": parameters}
    for model, parameters in (("unet", 2e6), ("resnet34_unet", 1e6))
    for aug, effect in (("none", 0.0), ("elastic", 0.0 if model == "unet" else 0.1))
}


def test_groups_are_found_and_seeds_are_replicates(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"elastic": 0.0, "none": 0.0, "crop": 0.0})
    assert study.keys == ["aug"]
    assert [group.name for group in study.groups] == ["aug=none", "aug=crop", "aug=elastic"]
    assert [[run.seed for run in group.finished] for group in study.groups] == [[0, 1, 2]] * 3
    assert study.baseline is study.groups[0]


def test_a_key_that_its_option_decides_does_not_set_groups_apart(tmp_path: Path) -> None:
    for option, decay in (("adam", 0.01), ("sgd", 0.0)):
        for rate in (0.1, 0.02):
            config = {"optimizer.name": option, "optimizer.lr": rate, "optimizer.weight_decay": decay}
            write_sweep(tmp_path / "s" / f"{option}{rate}", {"x": {"config": config}}, seeds=1, **SMALL)
    study = read_study(sorted((tmp_path / "s").iterdir()))
    assert study.keys == ["optimizer", "optimizer.lr"]
    assert {group.name for group in study.groups} == {
        f"optimizer={option} optimizer.lr={rate}" for option in ("adam", "sgd") for rate in ("0.1", "0.02")
    }


def test_a_parameter_of_an_operation_is_named_by_its_place(tmp_path: Path) -> None:
    groups = {
        str(shift): {"config": {"aug.name": "elastic", "aug.operations": [{"p": 0.2, "displacement": shift}]}}
        for shift in (0.03, 0.01)
    }
    write_sweep(tmp_path / "s", groups, **SMALL)
    study = read_study([tmp_path / "s"])
    assert [group.name for group in study.groups] == [
        f"aug.operations.0.displacement={shift}" for shift in ("0.01", "0.03")
    ]


def test_the_comparison_is_that_of_scipy_on_the_same_pairs(tmp_path: Path) -> None:
    # Hardly any noise of images: what decides is the paired t test over seeds.
    study = sweep(tmp_path / "s", {"none": -0.02, "elastic": 0.02, "crop": 0.0}, seeds=4, image_deviation=1e-5)
    table = comparison_frame(study)
    assert list(table) == COLUMNS.split()
    assert len(table) == 8
    summaries = runs_frame(study).rename(columns={"best_val_dice": "val_dice"}).sort_values("seed").groupby("aug")
    for _, row in table.iterrows():
        ours, theirs = (
            summaries.get_group(name)[row["metric"]] for name in (row["group"].removeprefix("aug="), "none")
        )
        expected = stats.ttest_rel(ours, theirs)
        ends = expected.confidence_interval(0.95)
        assert row["baseline"] == "aug=none"
        assert (row["mean"], row["baseline_mean"]) == pytest.approx((ours.mean(), theirs.mean()))
        assert row["difference"] == pytest.approx(ours.mean() - theirs.mean())
        assert row["p"] == pytest.approx(expected.pvalue, rel=0.02)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high), rel=0.02)
        assert (row["seeds"], row["images"]) == (4, 10 if row["metric"] == "val_dice" else 40)
    for _, family in table.groupby("metric"):
        assert list(family["p_holm"]) == pytest.approx(holm(list(family["p"])))


def test_the_loss_of_images_is_weighted_by_their_pixels(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "elastic": 0.01}, seeds=2)
    for run in study.runs:
        table = pd.read_csv(run.folder / "per_image.csv")
        table["pixels"] = np.arange(1, len(table) + 1)
        table.to_csv(run.folder / "per_image.csv", index=False)
    again = read_study([tmp_path / "s"])
    item = again.difference(again.groups[1], "test_loss")
    tests = [run.images["test"] for run in again.groups[1].finished]
    assert item.mean == pytest.approx(np.mean([np.average(part["loss"], weights=part["pixels"]) for part in tests]))


def test_only_common_seeds_are_paired(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "elastic": 0.0}, seeds=4)
    for group, seed in ((0, 0), (1, 3)):
        shutil.rmtree(study.groups[group].finished[seed].folder)
    again = read_study([tmp_path / "s"])
    assert set(comparison_frame(again)["seeds"]) == {2}
    for run in again.groups[1].finished[1:]:
        shutil.rmtree(run.folder)
    shutil.rmtree(again.groups[0].finished[0].folder)
    apart = read_study([tmp_path / "s"])
    assert comparison_frame(apart)[["difference", "p", "p_holm"]].isna().all(axis=None)
    assert answer(apart) == ["elastic and none have no seed in common: run the missing seeds to compare them."]


def test_the_baseline_is_the_simplest_or_the_one_that_is_given(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", FACTORS, **SMALL)
    folders = [tmp_path / "s"]
    assert read_study(folders).baseline.name == "model=resnet34_unet aug=none"
    one = read_study(folders, {"model": "unet", "aug": "none"})
    assert {group.name for group in one.baselines.values()} == {"model=unet aug=none"}
    assert len(one.baselines) == 3
    within = read_study(folders, "none")
    assert {name: group.name for name, group in within.baselines.items()} == {
        "model=unet aug=elastic": "model=unet aug=none",
        "model=resnet34_unet aug=elastic": "model=resnet34_unet aug=none",
    }
    assert within.baseline is None
    for given, problem in (
        ("elastix", "fits none of the groups"),
        ({"optimizer": "sgd"}, "do not differ in optimizer"),
        ({"aug": "color"}, "fits none of the groups"),
    ):
        with pytest.raises(InputError, match=problem):
            read_study(folders, given)


def test_an_effect_that_differs_between_networks_is_found(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", FACTORS, seeds=4, **SMALL)
    study = read_study([tmp_path / "s"], {"model": "unet", "aug": "none"})
    [crossed] = study.interactions
    assert (crossed.level, crossed.other_level, crossed.other_base) == ("elastic", "resnet34_unet", "unet")
    means = {group.name: spread(group, "test_dice").mean for group in study.groups}
    expected = means["model=resnet34_unet aug=elastic"] - means["model=resnet34_unet aug=none"]
    expected -= means["model=unet aug=elastic"] - means["model=unet aug=none"]
    assert crossed.estimate.difference == pytest.approx(expected)
    assert crossed.p_holm < 0.05
    [said] = [said for said in answer(study) if said.startswith("The effect of ")]
    assert said.startswith("The effect of aug=elastic on test Dice differs between model=resnet34_unet and model=unet")
    assert sweep(tmp_path / "one", {"none": 0.0, "crop": 0.0}).interactions == []


def test_values_that_are_written_alike_are_groups_apart(tmp_path: Path) -> None:
    rates = (0.3, 0.1 + 0.2, "0.3", 0.5)
    for index, rate in enumerate(rates):
        write_sweep(tmp_path / "s" / str(index), {"x": {"config": {"optimizer.lr": rate}}}, **SMALL)
    study = read_study(sorted((tmp_path / "s").iterdir()))
    assert len({group.name for group in study.groups}) == 4
    assert len(comparison_frame(study)) == 3 * 4


def test_images_that_groups_do_not_share_are_said(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "crop": 0.0}, seeds=2)
    for run in study.groups[1].finished:
        table = pd.read_csv(run.folder / "per_image.csv")
        table.loc[table["split"] == "test", "stem"] = [f"pet_{index}" for index in range(39, 79)]
        table.to_csv(run.folder / "per_image.csv", index=False)
    again = read_study([tmp_path / "s"])
    rows = comparison_frame(again).set_index("metric")
    assert (rows.loc["test_dice", "images"], rows.loc["val_dice", "images"]) == (0, 10)
    assert remarks(again) == [
        "aug=crop and aug=none have fewer than two test images in common, so that the means of runs are compared."
    ]


def test_when_a_dice_was_reached_and_runs_that_never_did(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0}, seeds=3)
    for seed, dice in enumerate(([0.7, 0.81, 0.86], [0.7, 0.7, 0.82], [0.1, 0.1, 0.1])):
        table = pd.read_csv(study.runs[seed].folder / "metrics.csv").iloc[:3]
        table["val/dice"], table["seconds"] = dice, 10.0
        table["val/loss"], table["train/loss"] = [0.5, 0.3, 0.4], [0.5, 0.3, 0.1]
        table.to_csv(study.runs[seed].folder / "metrics.csv", index=False)
    again = read_study([tmp_path / "s"])
    [group] = again.groups
    assert (reached(group, 0.80).epochs, reached(group, 0.80).seconds, reached(group, 0.80).reached) == (3, 30, 2)
    assert (reached(group, 0.85).epochs, reached(group, 0.85).reached) == (math.inf, 1)
    assert spread(group, "turn").values == (2, 2, 2)
    assert spread(group, "gap").mean == pytest.approx(0.3)
    row = dict(zip(course_table(again).header, course_table(again).rows[0], strict=True))
    assert row["epochs to 0.80"] == "3 (30 s); 2 of 3 runs did"
    assert row["epochs to 0.85"] == "not reached; 1 of 3 runs did"
    assert row["epochs to 0.90"] == "not reached"


def test_markdown_keeps_its_columns(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "a|b": 0.0})
    lines = [line for line in markdown(main_table(study)).splitlines() if line.startswith("|")]
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_a_group_of_one_seed_counts_in_no_correction(tmp_path: Path) -> None:
    groups = {"none": {}, "a": {"effect": 0.02}, "b": {"effect": 0.01}, "single": {"effect": 0.3}}
    write_sweep(tmp_path / "few", {name: groups[name] for name in ("none", "a", "b")}, seeds=3, epochs=2)
    for folder in write_sweep(tmp_path / "more", groups, seeds=3, epochs=2):
        run = read_run(folder)
        if run.options["aug"] == "single" and run.seed:
            shutil.rmtree(folder)
    few, more = (
        {item.group.short: item for item in read_study([tmp_path / name]).differences if item.metric == "test_dice"}
        for name in ("few", "more")
    )
    assert (more["single"].estimate.seeds, len(more)) == (1, 3)
    for name in ("a", "b"):
        assert more[name].p_holm == pytest.approx(few[name].p_holm)
        assert math.isfinite(more[name].p_holm)
    assert math.isnan(more["single"].p_holm)
