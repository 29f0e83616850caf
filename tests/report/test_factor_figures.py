"""The figures of factorial sweeps: what is drawn is what the runs say, in either width."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from sweeps import SMALL, write_sweep

from pets_seg.report.plotting.drawing import Drawing
from pets_seg.report.plotting.factors import draw_factors
from pets_seg.report.plotting.interaction import draw_interaction
from pets_seg.report.plotting.looks import COLOURS, INK, STYLE
from pets_seg.report.plotting.main_effects import draw_main_effects
from pets_seg.report.study.study import Study, read_study, spread

NETWORKS, AUGS = ("unet", "resnet34_unet"), ("none", "elastic", "crop")
BASE = {"model": "unet", "aug": "none"}
WIDTHS = (7.0, 3.5)


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


def make(folder: Path, factors: dict[str, tuple[Any, ...]], missing: tuple[Any, ...] = (), **more: Any) -> Study:
    groups = {}
    for index, cell in enumerate(product(*factors.values())):
        config = {f"{key}.name" if "." not in key else key: name for key, name in zip(factors, cell, strict=True)}
        state = "failed" if cell == missing else "finished"
        groups[str(cell)] = {"config": config, "effect": 0.004 * index - 0.1, "state": state}
    write_sweep(folder / "s", groups, **{**SMALL, **more})
    return read_study([folder / "s"], {key: levels[0] for key, levels in factors.items()})


def texts(drawing: Drawing) -> list[str]:
    return [text.get_text() for text in drawing.figure.findobj(mpl.text.Text) if text.get_text()]


def assert_inside(drawing: Drawing, most: float) -> None:
    """Assert that the figure is no wider than that, and that all of its texts lie within it, none on another."""
    assert drawing.figure.get_figwidth() <= most + 1e-9
    renderer = FigureCanvasAgg(drawing.figure).get_renderer()
    drawing.figure.draw(renderer)
    width, height = drawing.figure.get_size_inches()
    drawn = drawing.figure.get_tightbbox(renderer)
    assert -0.01 <= drawn.x0 < drawn.x1 <= width + 0.01
    assert -0.01 <= drawn.y0 < drawn.y1 <= height + 0.01
    hidden = {
        tick.label1
        for axes in drawing.figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    shown = [text for text in drawing.figure.findobj(mpl.text.Text) if text.get_text() and text not in hidden]
    boxes = [
        (text, text.get_window_extent(renderer)) for text in shown if text.get_visible() and not text.get_rotation()
    ]
    for index, (text, box) in enumerate(boxes):
        for other, its in boxes[index + 1 :]:
            over = min(box.x1, its.x1) - max(box.x0, its.x0), min(box.y1, its.y1) - max(box.y0, its.y0)
            assert min(over) < 1.5, (text, other)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_are_the_means_and_bars_their_intervals(tmp_path: Path, width: float) -> None:
    study = make(tmp_path, {"model": NETWORKS, "aug": AUGS})
    drawing = draw_interaction(study, width)
    assert_inside(drawing, width)
    [panel] = drawing.hover
    ticks = [label.get_text() for label in panel.axes.get_xticklabels()]
    assert sorted(ticks) == sorted(AUGS)
    assert ticks[0] == "none"
    labels = [text.get_text() for text in panel.axes.texts]
    assert {*NETWORKS, "model"} <= {*labels}
    bars = [line for line in panel.axes.lines if len(line.get_xdata()) == 2 and len({*line.get_xdata()}) == 1]
    lines = [line for line in panel.axes.lines if line.get_marker() == "o"]
    assert [to_hex(line.get_color()) for line in lines] == [INK, COLOURS[0]]
    for line, network in zip(lines, NETWORKS, strict=True):
        colour = line.get_color()
        for x, y, aug in zip(*line.get_data(), ticks, strict=True):
            [group] = [group for group in study.groups if group.values == {"model": network, "aug": aug}]
            found = spread(group, "test_dice")
            assert y == pytest.approx(found.mean)
            [bar] = [bar for bar in bars if bar.get_color() == colour and bar.get_xdata()[0] == x]
            np.testing.assert_allclose(bar.get_ydata(), [found.low, found.high])
    assert sorted(mark.lines[0] for mark in panel.marks) == sorted(group.name for group in study.groups)
    assert "Bars are 95 % t intervals" in drawing.caption


def test_with_one_seed_there_are_no_bars_and_a_missing_cell_breaks_its_line(tmp_path: Path) -> None:
    study = make(tmp_path, {"model": NETWORKS, "aug": AUGS}, missing=("resnet34_unet", "elastic"), seeds=1)
    drawing = draw_interaction(study)
    [panel] = drawing.hover
    assert not [line for line in panel.axes.lines if len(line.get_xdata()) == 2 and len({*line.get_xdata()}) == 1]
    lines = [line for line in panel.axes.lines if line.get_marker() == "o"]
    gaps = [np.isnan(line.get_ydata()).sum() for line in lines]
    ticks = [label.get_text() for label in panel.axes.get_xticklabels()]
    # At the end of a line there is nothing to break.
    assert gaps == [0, int(ticks.index("elastic") < 2)]
    assert "no intervals over seeds" in drawing.caption
    assert "Where a line has a gap there is no finished run" in drawing.caption


def test_a_bar_far_longer_than_the_means_differ_is_cut_off(tmp_path: Path) -> None:
    study = make(tmp_path, {"model": NETWORKS, "aug": AUGS}, seeds=2, seed_deviation=0.05)
    drawing = draw_interaction(study)
    [panel] = drawing.hover
    means = [spread(group, "test_dice").mean for group in study.groups]
    low, high = panel.axes.get_ylim()
    assert low < min(means) < max(means) < high
    assert high - low < 3.5 * (max(means) - min(means))
    assert "A bar that ends at the edge goes on beyond it." in drawing.caption


@pytest.mark.parametrize("width", WIDTHS)
def test_many_long_levels_fit(tmp_path: Path, width: float) -> None:
    augs = ("none", *(f"an_augmentation_with_a_long_name_{index}" for index in range(11)))
    study = make(tmp_path, {"model": NETWORKS, "aug": augs}, seeds=2)
    for drawing in (draw_interaction(study, width), draw_factors(study, width)):
        assert_inside(drawing, width)
    assert len(draw_factors(study, width).hover[0].marks) == 24


def test_numbers_rise_from_left_to_right(tmp_path: Path) -> None:
    study = make(tmp_path, {"optimizer.lr": (0.01, 0.1, 0.001, 1.0), "aug": ("none", "crop")}, seeds=2)
    [panel] = draw_interaction(study).hover
    assert [label.get_text() for label in panel.axes.get_xticklabels()] == ["0.001", "0.01", "0.1", "1"]
    means = {tuple(group.values.values()): spread(group, "test_dice").mean for group in study.groups}
    lines = [line.get_ydata() for line in panel.axes.lines if line.get_marker() == "o"]
    for line, aug in zip(lines, ("none", "crop"), strict=True):
        np.testing.assert_allclose(line, [means[aug, rate] for rate in (0.001, 0.01, 0.1, 1.0)])


@pytest.mark.parametrize("width", WIDTHS)
def test_three_factors_have_a_plot_of_main_effects_instead(tmp_path: Path, width: float) -> None:
    study = make(tmp_path, {"model": NETWORKS, "aug": AUGS, "scheduler": ("constant", "cosine")})
    assert draw_interaction(study) is None
    drawing = draw_main_effects(study, width)
    assert_inside(drawing, width)
    [panel] = drawing.hover
    assert len(panel.marks) == 4
    for mark, item in zip(panel.marks, study.main_effects, strict=True):
        assert mark.x == pytest.approx(100 * item.estimate.difference)
        assert mark.lines[0] == f"{item.factor.key}={item.level} against {item.factor.base}"
        [bar] = [line for line in panel.axes.lines if [*line.get_ydata()] == [mark.y, mark.y]]
        np.testing.assert_allclose(bar.get_xdata(), [100 * item.estimate.low, 100 * item.estimate.high])
    assert {"aug, against none", "model, against unet", "scheduler, against constant"} <= {*texts(drawing)}
    assert draw_main_effects(make(tmp_path / "two", {"model": NETWORKS, "aug": AUGS})) is None


@pytest.mark.parametrize("width", WIDTHS)
def test_main_effects_of_long_names_keep_their_intervals(tmp_path: Path, width: float) -> None:
    keys = [f"optimizer.a_setting_with_a_long_name_{letter}" for letter in "abc"]
    study = make(tmp_path, dict.fromkeys(keys, ("quite_a_long_value", "another_of_them")))
    drawing = draw_main_effects(study, width)
    assert_inside(drawing, width)
    written = [text for text in texts(drawing) if " to " in text]
    assert len(written) == 3
    assert "main effect on test Dice, points" in texts(drawing)
    assert sum(text.startswith("optimizer.a_setting") for text in texts(drawing)) == 3
