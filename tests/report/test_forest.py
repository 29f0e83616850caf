"""The axis of a forest plot: its labels do not touch, whatever the range and the room."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pets_seg.report.plotting.forest import fit


@pytest.mark.parametrize(("width", "ticks"), [(0.7, 3), (1.05, 3), (3.0, 7)])
@settings(max_examples=30, deadline=None)
@given(st.floats(-500, 500), st.floats(-500, 500))
def test_labels_stand_apart_and_zero_is_one(width: float, ticks: int, one: float, other: float) -> None:
    figure = Figure(figsize=(width / 0.5, 2), dpi=200)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.25, 0.2, 0.5, 0.7))
    axes.tick_params(labelsize=7)
    axes.plot([one, other], [0, 0])
    fit(axes, ticks)
    canvas.draw()
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert "0" in [label.get_text() for label in labels]
    assert len(labels) <= ticks
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))
    # A neighbour a tenth of an inch away is not touched.
    assert axes.bbox.x0 - boxes[0].x0 < 0.1 * figure.dpi
    assert boxes[-1].x1 - axes.bbox.x1 < 0.1 * figure.dpi


def test_an_axis_has_a_scale_where_there_is_room() -> None:
    axes = Figure(figsize=(2.1, 2)).add_axes((0.25, 0.2, 0.5, 0.7))
    axes.plot([-480, 500], [0, 0])
    fit(axes, 3)
    assert axes.get_xticks().tolist() == [-400, 0, 400]
