"""What may be said of a group: no more than its scores allow, and the same in the answer and on the terminal."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sweeps import SMALL, make_constant, sweep, write_sweep

from pets_seg.evaluation.calibration import count_levels, reliability
from pets_seg.evaluation.metrics import dice_and_iou, overlap
from pets_seg.report.sentences import answer
from pets_seg.report.study.constant import constant_class
from pets_seg.report.study.study import Study, read_study
from pets_seg.report.sweep import verdict_lines

# What may not be said of networks that learned nothing, or of scores that do not vary.
POWER = re.compile(r"would|about \d|or more")


def lines(study: Study) -> list[str]:
    return [line for line, _ in verdict_lines(study)]


def colours(study: Study) -> list[str]:
    return [colour for _, colour in verdict_lines(study)]


def runs_of(study: Study, name: str) -> list[Path]:
    [group] = [group for group in study.groups if group.short == name]
    return [run.folder for run in group.finished]


def change(run: Path, dice: object) -> None:
    """Replace the Dice of a run's test images by what `dice` makes of it."""
    table = pd.read_csv(run / "per_image.csv")
    test = table["split"] == "test"
    table.loc[test, "dice"] = dice(table.loc[test, "dice"].to_numpy())
    table.to_csv(run / "per_image.csv", index=False)


def scores_of(margin: torch.Tensor, mask: torch.Tensor) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of per_image.csv and of calibration.csv for the logits of a network (B,H,W)."""
    logits = torch.stack([torch.zeros_like(margin), margin], dim=1)
    dice, iou = dice_and_iou(overlap(margin > 0, mask))
    pixels = (mask != 255).flatten(1).sum(1)
    images = pd.DataFrame({"dice": dice.numpy(), "iou": iou.numpy(), "pixels": pixels.numpy()})
    return images, pd.DataFrame(reliability(count_levels(logits, mask)))


def test_a_network_is_constant_just_when_it_predicts_one_class_for_every_image() -> None:
    random = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 2, (6, 9, 11), generator=random, dtype=torch.uint8)
    mask[1, :4] = 255
    # One image without a pet, one of nothing else, one of which nothing counts.
    mask[2], mask[3], mask[4] = 0, 1, 255
    # Both sides of 0.5 are in one bin of calibration.csv, which alone would not tell.
    little = 0.01 * torch.rand(mask.shape, generator=random) + 1e-4
    assert constant_class(*scores_of(little, mask)) == "pet"
    assert constant_class(*scores_of(-little, mask)) == "background"
    scores, bins = scores_of(little, mask)
    assert constant_class(scores, bins.iloc[:0]) is None
    assert constant_class(scores.iloc[:0], bins) is None
    for kind, pixel in (("pet", (0, 0, 0)), ("background", (0, 0, 0)), ("background", (2, 0, 0))):
        margin = little.clone() if kind == "pet" else -little
        assert constant_class(*scores_of(margin, mask)) == kind
        margin[pixel] *= -1
        assert constant_class(*scores_of(margin, mask)) is None
    right = torch.where(mask == 1, little, -little)
    assert constant_class(*scores_of(right, mask)) is None
    # Wrong everywhere: no pet is found, but it is not background that is predicted.
    some = mask[:2]
    assert constant_class(*scores_of(-right[:2], some)) == "nothing"
    scores, bins = scores_of(-little[:2], some)
    assert constant_class(scores, bins.iloc[:0]) == "nothing"


@pytest.mark.parametrize("kinds", ["background background", "pet pet", "background pet"])
def test_groups_that_learned_nothing_make_no_statement_of_power(tmp_path: Path, kinds: str) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "hflip": 0.0}, seeds=2)
    for name in ("none", "hflip"):
        for run, kind in zip(runs_of(study, name), kinds.split(), strict=True):
            make_constant(run, kind)
    study = read_study(study.folders)
    first, second = answer(study)
    if kinds == "background pet":
        said = "the network predicts background for every test image with seed 0, and predicts pet for every test image"
        assert first == f"none and hflip: {said} with seed 1."
    else:
        assert first == f"none and hflip: the network predicts {kinds.split()[0]} for every test image."
    assert second == (
        "hflip and none have the same Dice in every test image with 2 seeds: the differences are all exactly zero."
    )
    assert lines(study) == [
        first,
        "test Dice against none, in points (95 % CI):",
        "hflip: 0.0 points: the differences from none are all exactly zero",
    ]
    assert not POWER.search(" ".join([*answer(study), *lines(study)]))


def test_what_differs_from_a_network_that_learned_nothing_is_said_with_it(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "hflip": 0.0, "crop": 0.0}, seeds=3)
    for run in runs_of(study, "crop"):
        make_constant(run, "background")
    make_constant(runs_of(study, "hflip")[1], "pet")
    study = read_study(study.folders)
    said = answer(study)
    assert said[:2] == [
        "crop: the network predicts background for every test image.",
        "hflip: the network predicts pet for every test image with seed 1.",
    ]
    assert said[2].startswith("crop lowers test Dice by ")
    # That one of three seeds failed says nothing of how many would be needed.
    assert said[3].startswith("With 3 seeds, hflip cannot be told apart from none: ")
    shown = lines(study)
    assert shown[:2] == said[:2]
    assert re.fullmatch(r"crop: -\d+\.\d points \(-.*\): worse than none; but see above .* of crop predict", shown[3])
    assert shown[4].endswith("with 3 seeds; but see above what the networks of hflip predict")
    assert not POWER.search(" ".join([*said, *shown]))
    assert colours(study) == ["yellow", "yellow", "bold", "red", "yellow"]

    # As the baseline it is named too.
    turned = read_study(study.folders, "crop")
    assert answer(turned)[:2] == said[:2]
    assert re.search(
        r"none: \+\d.*: better than crop; but see above what the networks of crop predict", lines(turned)[3]
    )


def test_two_networks_that_predict_different_classes_are_not_compared(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "hflip": 0.0}, seeds=3)
    for name, kind in (("none", "background"), ("hflip", "pet")):
        for run in runs_of(study, name):
            make_constant(run, kind)
    study = read_study(study.folders)
    assert answer(study)[2].startswith("hflip: nothing can be said of its difference from none, ")
    assert lines(study)[3].endswith("no verdict, because the networks of both predict one class for every image")
    assert not POWER.search(" ".join([*answer(study), *lines(study)]))


def test_a_single_group_or_seed_that_learned_nothing_is_named(tmp_path: Path) -> None:
    write_sweep(tmp_path / "s", {"none": {}}, seeds=1, **SMALL)
    [run] = (tmp_path / "s").iterdir()
    make_constant(run, "background")
    study = read_study([tmp_path / "s"])
    assert answer(study)[0] == lines(study)[0] == "unet: the network predicts background for every test image."
    assert len(lines(study)) == len(answer(study)) == 2

    study = sweep(tmp_path / "t", {"none": 0.0, "hflip": 0.0}, seeds=1)
    for name in ("none", "hflip"):
        make_constant(runs_of(study, name)[0], "pet")
    study = read_study(study.folders)
    assert answer(study)[1] == (
        "hflip and none have the same Dice in every test image with one seed: the differences are all exactly zero."
    )
    assert lines(study)[-1] == "hflip: 0.0 points: the differences from none are all exactly zero"


def test_scores_that_do_not_vary_or_are_not_finite_have_no_verdict(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "hflip": 0.0, "crop": 0.0, "color": 0.0}, seeds=2)
    hard = np.linspace(0.4, 0.8, 40)
    for run in runs_of(study, "none"):
        change(run, lambda dice: hard)
    for run in runs_of(study, "hflip"):
        change(run, lambda dice: hard + 0.02)
    # Both seeds are alike, image by image: nothing is known of how training varies.
    for run in runs_of(study, "crop"):
        change(run, lambda dice: hard[::-1] + 0.1)
    change(runs_of(study, "color")[0], lambda dice: np.where(np.arange(40) == 3, np.nan, dice))
    study = read_study(study.folders)
    same = "so that nothing is known of how much training varies."
    assert answer(study) == [
        f"crop: its 2 seeds all differ from none by the same +10.0 points, {same}",
        f"hflip: its 2 seeds all differ from none by the same +2.0 points, {same}",
        "color: nothing can be said of its difference from none, because scores are not finite.",
    ]
    assert lines(study)[1:] == [
        "color: no verdict, because scores are not finite",
        "crop: +10.0 points: no verdict, because all its seeds differ from none by the same",
        "hflip: +2.0 points: no verdict, because all its seeds differ from none by the same",
    ]


def test_a_line_a_group_says_what_the_answer_says(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "elastic": 0.05, "crop": -0.05, "color": 0.0}, seeds=3)
    assert colours(study) == ["bold", "yellow", "red", "green"]
    head, unsure, worse, better = lines(study)
    assert head == "test Dice against none, in points (95 % CI):"
    raised, lowered, rest = answer(study)
    by = re.search(r"by ([\d.]+) points \(95 % CI ([\d.]+) to ([\d.]+)", raised).groups()
    assert better == "elastic: +{} points ({} to {}): better than none".format(*by)
    by = re.search(r"by ([\d.]+) points \(95 % CI ([\d.]+) to ([\d.]+)", lowered).groups()
    assert worse == "crop: -{0} points (-{2} to -{1}): worse than none".format(*by)
    interval, needed = re.search(r"the interval is (.* to .*) points; about (\d+) seeds would be needed", rest).groups()
    assert re.fullmatch(
        rf"color: [-+][\d.]+ points \({re.escape(interval)}\): cannot be told apart from none with 3 seeds; "
        rf"about {needed} would tell half a point",
        unsure,
    )


def test_one_seed_and_no_seed_in_common_are_no_verdict(tmp_path: Path) -> None:
    study = sweep(tmp_path / "s", {"none": 0.0, "crop": 0.3}, seeds=1)
    assert re.fullmatch(
        r"crop: \+\d+\.\d points \(\d.* to .* over images\): one seed gives no verdict against none; run more seeds",
        lines(study)[1],
    )
    assert colours(study) == ["bold", "yellow"]
    [run] = runs_of(study, "crop")
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("seed: 0", "seed: 5"))
    assert lines(read_study(study.folders))[1] == "crop: no seed in common with none; run the missing seeds"


def test_of_many_groups_the_best_and_the_worst_have_a_line(tmp_path: Path) -> None:
    effects = {"none": 0.0} | {f"a{index:02}": 0.02 * (index - 8) for index in range(20) if index != 8}
    study = sweep(tmp_path / "s", effects, seeds=3, seed_deviation=1e-4, image_deviation=1e-4)
    shown = lines(study)
    assert len(shown) == 1 + 6 + 1 + 6
    assert [line.split(":")[0] for line in shown[1:13]] == [f"a{index:02}" for index in (*range(6), *range(14, 20))]
    assert shown[13] == "7 groups between them: 5 better, 2 worse; all are in the page"
    same = sweep(tmp_path / "t", {"none": 0.0} | {f"a{index:02}": 0.0 for index in range(20)}, seeds=2)
    assert lines(same)[13] == "8 groups between them: 8 without a verdict; all are in the page"


def test_a_baseline_of_several_keys_is_named_once(tmp_path: Path) -> None:
    groups = {f"{aug}{width}": {"config": {"aug.name": aug, "model.width": width}} for aug in "ab" for width in (4, 8)}
    write_sweep(tmp_path / "s", groups, **SMALL)
    shown = lines(read_study([tmp_path / "s"], {"aug": "a", "model.width": 4}))
    effects, shown = shown[:3], shown[3:]
    assert not any("aug=a model.width=4" in line for line in effects)
    assert shown[0] == "test Dice against aug=a model.width=4, in points (95 % CI):"
    assert len(shown) == 4
    assert not any("aug=a model.width=4" in line for line in shown[1:])
    assert all("from the baseline with 3 seeds" in line for line in shown[1:])
    # Of several baselines each line names its own.
    _, _, *shown = lines(read_study([tmp_path / "s"], {"aug": "a"}))
    assert shown[0] == "test Dice against the baseline of each, in points (95 % CI):"
    for line in shown[1:]:
        width = re.match(r"aug=b model.width=(\d): ", line)[1]
        assert f"cannot be told apart from aug=a model.width={width} with 3 seeds" in line
