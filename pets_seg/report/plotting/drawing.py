"""What the figures share: places in inches, labels at the ends of lines, and what the pointer shows."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.report.plotting.looks import VARIABLES, Dash, Look
from pets_seg.report.plotting.widths import SMALL

# Inches: the widths of two columns of a paper, and of one. Every figure is drawn at both.
WIDTH, NARROW = 7.0, 3.5
WIDTHS = (WIDTH, NARROW)
# Inches: what stays free at the edge of a figure.
EDGE = 0.1
# More points of a line are neither visible nor worth sending.
MOST_POINTS = 200
Series = tuple[str, str, np.ndarray, np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Lines:
    """Axes whose values at the pointer's x are shown; `series` are (label, colour, x, y, deviation or None)."""

    axes: Axes
    head: str
    series: Sequence[Series]


class Mark(NamedTuple):
    """A point in data coordinates, and the lines of text that explain it."""

    x: float
    y: float
    colour: str
    lines: list[str]


@dataclass(frozen=True)
class Points:
    """Axes whose mark nearest to the pointer is explained."""

    axes: Axes
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Drawing:
    """A figure with its file's name, title, caption and alternative text; `pictures` if it holds photographs.

    `command` stands beneath the caption, to be copied.
    """

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    hover: Sequence[Lines | Points] = ()
    pictures: bool = False
    command: str = ""


def add_axes(figure: Figure, left: float, bottom: float, wide: float, tall: float, **options: Any) -> Axes:
    """Add axes at a place given in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, wide / width, tall / height), **options)


def add_text(figure: Figure, x: float, y: float, text: str, size: float, **style: Any) -> None:
    """Write text at a place given in inches from the lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, fontsize=size, **style)


def grid(
    figure: Figure, rows: int, columns: int, margins: tuple[float, float, float, float], gaps: tuple[float, float]
) -> list[list[Axes]]:
    """Return axes in a grid; margins left, right, bottom, top and gaps between columns and rows are in inches."""
    width, height = figure.get_size_inches()
    left, right, bottom, top = margins
    wide = (width - left - right - gaps[0] * (columns - 1)) / columns
    tall = (height - bottom - top - gaps[1] * (rows - 1)) / rows
    lefts = [left + column * (wide + gaps[0]) for column in range(columns)]
    bottoms = [height - top - (row + 1) * tall - row * gaps[1] for row in range(rows)]
    return [[add_axes(figure, x, y, wide, tall) for x in lefts] for y in bottoms]


def size_inches(axes: Axes) -> tuple[float, float]:
    """Return the width and height of axes in inches."""
    return axes.bbox.width / axes.figure.dpi, axes.bbox.height / axes.figure.dpi


def write_beside(axes: Axes, row: float, text: str, gap: float, size: float = SMALL, **style: Any) -> None:
    """Write text at the height of `row`, `gap` inches right of the axes, or left of them where it is negative."""
    x = gap / size_inches(axes)[0] + (gap > 0)
    style = {"ha": "left" if gap > 0 else "right", "va": "center_baseline"} | style
    axes.text(x, row, text, transform=axes.get_yaxis_transform(), fontsize=size, **style)


def end_labels(axes: Axes, ends: Iterable[tuple[float, float, Look]], size: float = SMALL) -> float:
    """Write the labels of lines right of the axes, each led to from its point (x, y).

    They keep the order of the points and are moved only as far as needed not to overlap. Returns the x at which they
    start, in axes coordinates.
    """
    # The limits of the axes are unknown until then.
    axes.autoscale_view()
    width, height = size_inches(axes)
    to_axes = axes.transScale + axes.transLimits
    points = [
        (to_axes.transform((x, y)).clip(0, 1).tolist(), look)
        for x, y, look in ends
        if math.isfinite(x) and math.isfinite(y)
    ]
    points.sort(key=lambda point: (point[0][::-1], point[1].label))
    step = 0.05 / width
    start = 1 + 3.6 * step
    label_heights = spaced([y for (_, y), _ in points], 1.3 * size / (72 * height))
    for ((x, y), look), label_y in zip(points, label_heights, strict=True):
        dash: Dash = (0, (1, 1.2)) if x < 0.97 else "-"
        path = [x, max(x, 1) + step, 1 + 3 * step], [y, y, label_y]
        axes.plot(
            *path, transform=axes.transAxes, clip_on=False, color=look.colour, linewidth=0.6, linestyle=dash, zorder=2.5
        )
        axes.text(start, label_y, look.label, transform=axes.transAxes, fontsize=size, va="center_baseline")
    return start


def spaced(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places at least `gap` apart, as near to the sorted `wanted` ones in 0..1 as possible."""
    from scipy.optimize import isotonic_regression

    offsets = gap * np.arange(len(wanted))
    starts = isotonic_regression(np.asarray(wanted) - offsets).x
    room = 1 - (len(wanted) - 1) * gap
    return (np.clip(starts, min(0, room / 2), max(room, room / 2)) + offsets).tolist()


def thinned(count: int) -> np.ndarray:
    """Return the indices of the points to draw out of `count`: all, or evenly spaced ones up to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))


def hover_data(drawing: Drawing) -> list[dict[str, Any]]:
    """Return what the page's script needs of a drawing, in the units of its SVG (points, from the top left)."""
    width, height = drawing.figure.get_size_inches() * 72
    panels = []
    for part in drawing.hover:
        place = part.axes.get_position()
        box = [place.x0 * width, (1 - place.y1) * height, place.x1 * width, (1 - place.y0) * height]
        panel: dict[str, Any] = {"box": [round(value, 1) for value in box]}
        if isinstance(part, Lines):
            panel |= {"x": [*map(float, part.axes.get_xlim())], "log": part.axes.get_xscale() == "log"}
            panel |= {"head": part.head, "series": [series_data(*series) for series in part.series]}
        else:
            to_figure = part.axes.transData + part.axes.figure.transSubfigure.inverted()
            places = [to_figure.transform((mark.x, mark.y)).tolist() for mark in part.marks]
            panel["points"] = [
                [round(x * width, 1), round((1 - y) * height, 1), VARIABLES.get(mark.colour, "ink"), mark.lines]
                for (x, y), mark in zip(places, part.marks, strict=True)
                if math.isfinite(x) and math.isfinite(y)
            ]
        panels.append(panel)
    return panels


def series_data(label: str, colour: str, x: np.ndarray, y: np.ndarray, deviation: np.ndarray | None) -> dict[str, Any]:
    """Return what the page's scripts need of a line, a colour being the name of its variable in style.css."""
    keep = thinned(len(x))
    series = {"name": label, "colour": VARIABLES.get(colour, "ink"), "x": _numbers(x[keep], 10), "y": _numbers(y[keep])}
    if deviation is not None and np.isfinite(deviation).any():
        series["sd"] = _numbers(deviation[keep])
    return series


def _numbers(values: np.ndarray, digits: int = 4) -> list[float | None]:
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]
