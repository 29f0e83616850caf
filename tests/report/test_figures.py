"""What the figures are drawn from, and which groups they show."""

import math
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from sweeps import write_sweep

from pets_seg.report.plotting.calibration import reliability
from pets_seg.report.plotting.cost import front
from pets_seg.report.plotting.courses import SECONDS, course_of
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import Drawing, Lines, spaced
from pets_seg.report.plotting.images import draw_images, image_scores
from pets_seg.report.plotting.looks import COLOURS, INK, OTHER, STYLE, find_looks, short_labels
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.svg import plain_svg
from pets_seg.report.plotting.widths import shortened, text_width
from pets_seg.report.study.examples import Example, choose_groups
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study, read_study, spread


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("runs") / "large"
    rates = {
        f"g{index}": {"effect": 0.004 * index, "config": {"optimizer.lr": 0.001 * 2**index}} for index in range(30)
    }
    write_sweep(folder, rates, seeds=2, epochs=6, images=30, valid=10)
    return read_study([folder])


def texts(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in drawing.figure.findobj(mpl.text.Text)]


def test_the_mean_at_an_epoch_is_over_the_runs_that_have_it(tmp_path: Path) -> None:
    _, short = write_sweep(tmp_path / "runs", {"none": {}}, seeds=2, epochs=4)
    lines = (short / "metrics.csv").read_text().splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[2], "inf")
    damaged = lines[1].split(",")
    damaged[0] = "inf"
    (short / "metrics.csv").write_text("\n".join([*lines[:3], ",".join(damaged)]) + "\n")
    study = read_study([tmp_path / "runs"])
    found = course_of(study.groups[0], ["val/dice", "val/loss", "val/ece"])
    first, second = (run.metrics for run in study.groups[0].finished)
    np.testing.assert_allclose(found.mean("val/dice")[:2], (first["val/dice"][:2] + second["val/dice"][:2]) / 2)
    np.testing.assert_allclose(found.mean("val/dice")[2:], first["val/dice"][2:])
    assert np.isfinite(found.deviation("val/dice")).tolist() == [True, True, False, False]
    # A loss that is none does not spoil the epoch.
    assert found.mean("val/loss")[1] == pytest.approx(first["val/loss"][1])
    np.testing.assert_allclose(found.values[SECONDS][0], first["seconds"].cumsum())
    drawing = draw_curves(study, find_looks(study))
    assert "differ in length" in drawing.caption
    # By time a mean over fewer runs would jump back.
    np.testing.assert_allclose(drawing.hover[3].series[0][2], found.mean(SECONDS)[:2])


def test_the_front_is_what_no_other_beats_in_both() -> None:
    points = [(3.0, 0.82), (1.0, 0.80), (2.0, 0.79), (2.5, 0.82), (4.0, 0.9), (1.0, 0.7)]
    assert front(points) == [(1.0, 0.80), (2.5, 0.82), (4.0, 0.9)]
    assert front([]) == []


def test_labels_are_moved_apart_in_order_and_no_further_than_they_must() -> None:
    assert spaced([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])
    assert spaced([0.5, 0.5, 0.5], 0.1) == pytest.approx([0.4, 0.5, 0.6])
    assert spaced([0.98, 0.99], 0.2) == pytest.approx([0.8, 1.0])
    crowded = spaced([0.2] * 20, 0.1)
    assert np.diff(crowded) == pytest.approx(0.1)
    assert sum(crowded) / 20 == pytest.approx(0.5)


def test_reliability_sums_the_pixels_of_all_seeds(tmp_path: Path) -> None:
    write_sweep(tmp_path / "runs", {"none": {}}, seeds=3, epochs=2)
    [group] = read_study([tmp_path / "runs"]).groups
    table = reliability(group)
    tests = [run.calibration[run.calibration["split"] == "test"] for run in group.finished]
    pixels = sum(test["pixels"].to_numpy() for test in tests)
    shares = sum((test["pixels"] * test["pet_share"]).to_numpy() for test in tests) / pixels
    probabilities = sum((test["pixels"] * test["probability"]).to_numpy() for test in tests) / pixels
    np.testing.assert_allclose(table[:, 0], probabilities)
    np.testing.assert_allclose(table[:, 2], pixels)
    np.testing.assert_allclose(table[:, 1], shares)


def test_scores_of_an_image_are_its_mean_over_the_seeds(large: Study) -> None:
    group = large.groups[3]
    every = np.mean([run.images["test"]["dice"].to_numpy() for run in group.finished], axis=0)
    np.testing.assert_allclose(image_scores(group), every)
    assert image_scores(group).mean() == pytest.approx(spread(group, "test_dice").mean)


def test_of_many_groups_the_baseline_and_the_best_are_in_colour(large: Study) -> None:
    looks = find_looks(large)
    strong = [group for group in large.groups if looks[group.name].strong]
    assert looks[large.baseline.name].colour == INK
    assert sorted(looks[group.name].colour for group in strong) == sorted([INK, *COLOURS])
    best = sorted(large.groups, key=lambda group: -spread(group, "test_dice").mean)[: len(COLOURS)]
    assert {group.name for group in strong} == {large.baseline.name, *(group.name for group in best)}
    assert sum(look.colour == OTHER for look in looks.values()) == 30 - 8
    drawing = draw_curves(large, looks)
    assert "8 of 30" in drawing.caption
    assert all(len(panel.series) == 8 for panel in drawing.hover if isinstance(panel, Lines))


def test_of_many_differences_the_best_and_the_worst_are_shown(large: Study) -> None:
    drawing = draw_differences(large, find_looks(large))
    ordered = sorted((item for item in large.differences if item.metric == "test_dice"), key=lambda item: -item.mean)
    chosen = [*ordered[:18], *ordered[-6:]]
    places = {group.name: place for place, group in enumerate(large.groups)}
    chosen.sort(key=lambda item: places[item.group.name])
    names = [lines[0] for _, _, _, lines in drawing.hover[0].marks]
    assert names == [item.group.name for item in chosen]
    assert "Of 29 groups" in drawing.caption
    for (points, *_), item in zip(drawing.hover[0].marks, chosen, strict=True):
        assert points == pytest.approx(100 * item.estimate.difference)
    assert "Of 30 groups" in draw_images(large, find_looks(large)).caption


def test_the_reference_study_lies_under_ours_when_asked_for(large: Study) -> None:
    looks = find_looks(large)
    names = {"UNet, none", "UNet, elastic or crop", "ResNet34-UNet, elastic"}
    with_it, without = draw_curves(large, looks, reference=True), draw_curves(large, looks)
    assert names <= set(texts(with_it))
    assert "not the same conditions" in with_it.caption
    assert not names & set(texts(without))
    # It trained many times as long.
    axes = with_it.hover[0].axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[1] > 250


def test_the_strip_shows_the_baseline_and_the_best(large: Study) -> None:
    truth = np.zeros((16, 16), np.uint8)
    truth[4:12, 4:16], truth[0] = 1, 255
    example = Example("typical", "pet_1", 0, np.zeros((16, 16, 3), np.uint8), truth)
    for index, group in enumerate(choose_groups(large)):
        example.predicted[group.name] = truth == 1
        example.dice[group.name] = index / 100
    drawing = draw_masks(large, find_looks(large), [example])
    best = sorted(large.groups, key=lambda group: -spread(group, "test_dice").mean)
    shown = [large.baseline, *[group for group in best if group is not large.baseline][:5]]
    shown.sort(key=large.groups.index)
    found = [text for text in texts(drawing) if text in {f"{dice:.3f}" for dice in example.dice.values()}]
    assert found == [f"{example.dice[group.name]:.3f}" for group in shown]
    assert "not counted" in texts(drawing)
    assert draw_masks(large, find_looks(large), []) is None


def groups_of(*runs: tuple[str, float, int]) -> list[Group]:
    keys = ("model", "optimizer.lr", "train.epochs")
    return [Group(f"{index} {run}", dict(zip(keys, run, strict=True))) for index, run in enumerate(runs)]


def test_labels_are_short_and_tell_groups_apart() -> None:
    keys = {"model": "unet", "optimizer.lr": 0.01, "aug.operations.0.p": 0.2, "aug.operations.1.p": None}
    [label] = short_labels([Group("x", keys)]).values()
    assert label == "unet lr=0.01 0.p=0.2 1.p=null"
    # A setting that the network decides is left out where it does not fit, and only then.
    long_name = "narrow_resnet34_unet"
    chosen = groups_of(("unet", 1e-3, 5), ("unet", 1e-3, 16), (long_name, 8e-3, 5))
    assert [*short_labels(chosen).values()] == ["unet epochs=5", "unet epochs=16", f"{long_name} epochs=5"]
    assert [*short_labels(chosen, 9.0).values()][1] == "unet lr=0.001 epochs=16"
    # Where every network has one group, nothing shows what decides: `unet` alone would hide the epochs.
    alone = short_labels(groups_of(("unet", 1e-3, 5), (long_name, 8e-3, 12)), 1.4)
    assert "unet" not in alone.values()
    # Names that are alike when they are cut are told apart by what the options decide.
    cut = groups_of(*((f"a_network_{name}_with_a_long_name", lr, 5) for name, lr in (("of_a", 1e-3), ("of_b", 2e-3))))
    cut += groups_of(("unet", 1e-3, 5), ("unet", 1e-3, 16))
    assert not any("#" in label for label in short_labels(cut, 0.9).values())
    # Of keys and values that would be cut beyond recognition, the values stay.
    long = {
        f"optimizer.a_long_name_of_{letter}": value
        for letter, value in zip("abc", (True, False, "imagenet"), strict=True)
    }
    assert [*short_labels([Group("x", long)]).values()] == ["true false imagenet"]
    assert shortened("a" * 40 + "b" * 40).strip("a").strip("b") == "…"
    assert 1.7 < text_width(shortened("W" * 99), 7.5) <= 1.8


def test_the_same_study_gives_the_same_figure(large: Study) -> None:
    first, second = (plain_svg(draw_differences(large, find_looks(large))) for _ in range(2))
    assert first == second
    assert math.isclose(draw_differences(large, find_looks(large)).figure.get_figwidth(), 7.0)
