"""The axis of a forest plot: its labels do not touch, and one long interval does not hide the others."""

import math
from itertools import pairwise
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pets_seg.report.plotting.forest import EVERYWHERE, draw_interval, fit, room_for


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


def test_a_long_interval_is_cut_off_and_the_others_can_be_read() -> None:
    axes = Figure(figsize=(2.1, 2)).add_axes((0.25, 0.2, 0.5, 0.7))
    intervals = [(-0.5, 0.9), (0.1, 1.2), (-14.0, 15.0), (math.nan, math.nan)]
    room = room_for(intervals)
    assert room == pytest.approx((-0.925, 1.625))
    for row, interval in enumerate(intervals[:3]):
        draw_interval(axes, row, interval, room, 2.0)
    fit(axes, 5)
    assert [(line.get_marker(), *line.get_xdata()) for line in axes.lines] == [
        ("None", *intervals[0]),
        ("None", *intervals[1]),
        ("None", *room),
        ("<", room[0]),
        (">", room[1]),
    ]
    low, high = axes.get_xlim()
    assert -2 < low < room[0]
    assert room[1] < high < 2


def test_a_group_that_is_far_off_has_its_interval_around_its_dot() -> None:
    axes = Figure(figsize=(2.1, 2)).add_axes((0.25, 0.2, 0.5, 0.7))
    intervals = [(-0.5, 0.9), (0.1, 1.2), (-70.0, -30.0)]
    room = room_for(intervals)
    draw_interval(axes, 0, intervals[2], room, 2.0)
    assert [(line.get_marker(), *line.get_xdata()) for line in axes.lines] == [
        ("None", room[0], -30.0),
        ("<", room[0]),
    ]
    assert -70 < room[0] < -50


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 100))))
def test_intervals_are_cut_only_where_one_is_much_longer_than_most(places: list[tuple[float, float]]) -> None:
    intervals = [(low, low + length) for low, length in places]
    low, high = room_for(intervals)
    lengths = [end - start for start, end in intervals]
    longest = 4 * median(lengths) if lengths else 0.0
    similar = [ends for ends, length in zip(intervals, lengths, strict=True) if length <= longest]
    assert all(low <= start and end <= high for start, end in similar)
    assert all(low <= (start + end) / 2 <= high for start, end in intervals)
    assert ((low, high) == EVERYWHERE) == (longest == 0 or len(similar) == len(intervals))
