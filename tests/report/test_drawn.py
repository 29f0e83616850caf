"""What is drawn is what the runs say: the artists of the figures, read back."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from sweeps import make_examples, write_sweep

from pets_seg.report.plotting.calibration import draw_calibration, reliability
from pets_seg.report.plotting.cost import draw_cost, front
from pets_seg.report.plotting.curves import draw_curves
from pets_seg.report.plotting.difference_words import signed
from pets_seg.report.plotting.differences import draw_differences
from pets_seg.report.plotting.drawing import Lines, hover_data
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.images import draw_images, image_scores
from pets_seg.report.plotting.looks import INK, STYLE, find_looks, short_labels
from pets_seg.report.plotting.masks import draw_masks
from pets_seg.report.plotting.svg import plain_svg
from pets_seg.report.plotting.widths import text_width
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study, read_study, spread


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("runs") / "crossed"
    groups = {
        f"{aug}{width}": {"config": {"aug.name": aug, "model.width": width}, "parameters": 1000 * width}
        | {"effect": 0.03 * row + 0.01 * column, "seconds": 2 + row + column, "memory": 1120.0}
        for row, aug in enumerate(("none", "crop", "flip"))
        for column, width in enumerate((8, 16))
    }
    write_sweep(folder, groups, seeds=3, epochs=8, images=30, valid=10)
    return read_study([folder])


def lines_of(axes: Axes, colour: str) -> list[np.ndarray]:
    return [np.array(line.get_data()) for line in axes.lines if to_hex(line.get_color()) == colour]


def is_drawn(axes: Axes, colour: str, x: np.ndarray, y: np.ndarray) -> bool:
    return any(line.shape == (2, len(x)) and np.allclose(line, (x, y)) for line in lines_of(axes, colour))


def test_curves_are_means_and_their_bands_one_deviation(crossed: Study) -> None:
    looks = find_looks(crossed)
    columns = ("train/loss", "val/loss", "val/dice") * 2
    for index, (panel, column) in enumerate(zip(draw_curves(crossed, looks).hover, columns, strict=True)):
        for group in crossed.groups:
            tables = [run.metrics for run in group.finished]
            values = np.array([table[column] for table in tables])
            x = np.mean([table["seconds"].cumsum() if index > 2 else table["epoch"] for table in tables], axis=0)
            colour, mean, deviation = looks[group.name].colour, values.mean(axis=0), values.std(axis=0, ddof=1)
            assert is_drawn(panel.axes, colour, x, mean)
            areas = [area for area in panel.axes.collections if isinstance(area, PolyCollection)]
            [area] = [area for area in areas if to_hex(area.get_facecolor()[0]) == colour]
            corners = area.get_paths()[0].vertices
            sides = [corners[np.isclose(corners[:, 0], place), 1] for place in x]
            np.testing.assert_allclose([side.min() for side in sides], mean - deviation)
            np.testing.assert_allclose([side.max() for side in sides], mean + deviation)


def test_bars_of_differences_are_their_intervals(crossed: Study) -> None:
    looks = find_looks(crossed)
    panels = draw_differences(crossed, looks).hover
    for panel, metric in zip(panels, ("test_dice", "val_dice", "test_iou"), strict=True):
        assert len(panel.marks) == 5
        for x, row, colour, lines in panel.marks:
            [group] = [group for group in crossed.groups if group.name == lines[0]]
            found = crossed.difference(group, metric).estimate
            assert x == pytest.approx(100 * found.difference)
            assert is_drawn(panel.axes, colour, 100 * np.array([found.low, found.high]), np.array([row, row]))
            assert is_drawn(panel.axes, colour, np.array([x]), np.array([row]))
    assert [signed(value) for value in (-0.001, -0.4, 0.4, 2e9)] == ["0.00", "\N{MINUS SIGN}0.40", "+0.40", "+2e+09"]


def test_the_caption_says_what_an_arrow_is(crossed: Study) -> None:
    last = crossed.differences[-1]
    wide = replace(last, estimate=replace(last.estimate, low=-0.9, high=0.9))
    study = replace(crossed, differences=[*crossed.differences[:-1], wide])
    assert "An arrow marks" in draw_differences(study, find_looks(study)).caption
    assert "arrow" not in draw_differences(crossed, find_looks(crossed)).caption


def test_the_step_line_of_costs_is_the_front_and_a_panel_left_out_is_true(crossed: Study, tmp_path: Path) -> None:
    drawing = draw_cost(crossed, find_looks(crossed))
    assert "no panel for peak memory (to within 1 %), the same in all groups" in drawing.caption
    for panel, (key, unit) in zip(drawing.hover, (("train_seconds", 1), ("parameters", 1e3)), strict=True):
        means = [(spread(group, key).mean / unit, spread(group, "test_dice").mean) for group in crossed.groups]
        [step] = [line for line in panel.axes.lines if line.get_drawstyle() == "steps-post"]
        np.testing.assert_allclose(np.transpose(step.get_data()), front(means))
        np.testing.assert_allclose(sorted(mark[:2] for mark in panel.marks), sorted(means))
    for memory, units in ((5001.0, ["seconds", "thousand"]), (6e3, ["seconds", "thousand", "GB"])):
        # A network of one parameter more is another network; that of the first group is not known to take the same.
        groups = {"none": {"memory": None}, "crop": {"memory": 5e3, "parameters": 838803}, "flip": {"memory": memory}}
        write_sweep(tmp_path / units[-1], groups, seeds=1, epochs=2, images=5, valid=5)
        study = read_study([tmp_path / units[-1]])
        drawing = draw_cost(study, find_looks(study))
        assert [panel.axes.get_xlabel() for panel in drawing.hover] == units
        assert "peak memory" not in drawing.caption
        # The first group has no point in the panel of memory, and its label all the same.
        texts = [text.get_text() for text in drawing.figure.findobj(mpl.text.Text)]
        assert sorted(text for text in texts if text in groups) == sorted(groups)


def test_a_cell_of_two_factors_is_that_of_its_row_and_column(crossed: Study) -> None:
    axes = draw_factors(crossed).hover[0].axes
    means = {tuple(map(str, group.values.values())): spread(group, "test_dice").mean for group in crossed.groups}
    values = axes.collections[0].get_array()
    assert values.shape == (2, 3)
    for y, row in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        for x, column in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
            mean = means[column.get_text(), row.get_text()]
            assert values[int(y), int(x)] == pytest.approx(mean)
            [text] = [text.get_text() for text in axes.texts if text.get_position() == (x, y)]
            assert text.startswith(f"{mean:.4f}")


def test_reliability_has_the_probability_on_the_x_axis(crossed: Study) -> None:
    looks = find_looks(crossed)
    shares, gaps = (panel.axes for panel in draw_calibration(crossed, looks).hover[:2])
    for group in crossed.groups:
        probability, share, _ = reliability(group).T
        assert is_drawn(shares, looks[group.name].colour, probability, share)
        assert is_drawn(gaps, looks[group.name].colour, probability, share - probability)


def test_a_group_without_a_course_is_named_beside_its_reliability(tmp_path: Path) -> None:
    runs = write_sweep(tmp_path / "runs", {"none": {}, "crop": {}}, seeds=1, epochs=2, images=5, valid=5)
    for named, run in zip((["crop"], ["none", "crop"]), runs[::-1], strict=True):
        (run / "metrics.csv").unlink()
        study = read_study([tmp_path / "runs"])
        axes = draw_calibration(study, find_looks(study)).hover[0].axes
        texts = [*axes.texts, *(axes.get_legend().texts if axes.get_legend() else [])]
        assert sorted(text.get_text() for text in texts) == sorted(named)


def test_captions_count_the_baselines_and_say_what_is_left_out(crossed: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(crossed.folders, {"aug": "none"})
    looks = find_looks(study)
    assert [look.colour for look in looks.values()].count(INK) == 2
    monkeypatch.setattr("pets_seg.report.plotting.images.MOST_ROWS", 3)
    assert "Of 6 groups the 2 baselines and the best are shown." in draw_images(study, looks).caption
    examples = make_examples(study, count=1)
    for group in study.groups[3:]:
        del examples[0].predicted[group.name]
    assert "Shown are the 3 of 6 groups for which masks were predicted." in draw_masks(study, looks, examples).caption


def test_the_bars_of_images_are_quantiles(crossed: Study) -> None:
    drawing = draw_images(crossed, find_looks(crossed))
    for _, row, colour, lines in drawing.hover[0].marks:
        [group] = [group for group in crossed.groups if group.name == lines[0]]
        parts = np.quantile(image_scores(group), [0.05, 0.95, 0.25, 0.5, 0.5, 0.75])
        for ends in (parts[:2], parts[2:4], parts[4:]):
            assert is_drawn(drawing.hover[0].axes, colour, ends, np.array([row + 0.1] * 2))
        assert is_drawn(drawing.hover[0].axes, "#ffffff", parts[[3, 3]], np.array([row + 0.02, row + 0.18]))


def test_one_seed_is_no_proof_and_a_wide_name_leaves_room(tmp_path: Path) -> None:
    write_sweep(tmp_path / "runs", {"none": {}, "W" * 90: {"effect": 0.1}}, seeds=1, epochs=2)
    study = read_study([tmp_path / "runs"])
    drawing = draw_differences(study, find_looks(study))
    assert math.isnan(study.differences[0].p_holm)
    assert "bold" not in drawing.caption
    assert not [text for text in drawing.figure.findobj(mpl.text.Text) if text.get_fontweight() == "bold"]
    assert drawing.hover[0].marks[0][3][-1] == "one seed, 148 images"
    assert drawing.hover[0].axes.get_position().width * drawing.figure.get_figwidth() > 1.19


def test_a_key_with_control_characters_and_a_late_epoch(crossed: Study) -> None:
    keys = ["aug", "model.\x07\x01<b>"]
    groups = [replace(group, values=dict(zip(keys, group.values.values(), strict=True))) for group in crossed.groups]
    ElementTree.fromstring(plain_svg(draw_factors(replace(crossed, keys=keys, groups=groups))))
    drawing = draw_curves(crossed, find_looks(crossed))
    panel = Lines(drawing.hover[0].axes, "epoch", [("none", INK, np.array([12345.0]), np.array([0.5]), None)])
    assert hover_data(replace(drawing, hover=[panel]))[0]["series"][0]["x"] == [12345.0]


def test_labels_are_never_alike() -> None:
    keys = ("optimizer.weight_decay", "scheduler.warmup_of_the_rate", "train.batch_size_of_a_step")
    cubes = [dict(zip(keys, (a, b, c), strict=True)) for a in (0.01, 0.001) for b in (0.15, 0.25) for c in (8, 16)]
    alike = [{"aug": "x" * 100 + name} for name in "abc"]
    for values in (cubes, alike):
        labels = short_labels([Group(str(index), value) for index, value in enumerate(values)])
        assert len(set(labels.values())) == len(values)
        assert max(map(text_width, labels.values())) < 1.9


def test_a_random_search_over_two_keys_has_no_table(tmp_path: Path) -> None:
    groups = {str(place): {"config": {"optimizer.lr": 0.1 + place, "model.width": 4 + place}} for place in range(6)}
    write_sweep(tmp_path / "s", groups, seeds=1, epochs=2, images=5, valid=2)
    assert draw_factors(read_study([tmp_path / "s"])) is None
