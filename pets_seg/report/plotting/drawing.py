"""What the figures share: their style, labels at the ends of lines, and what the page shows under the pointer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from pets_seg.report.plotting.looks import GRID, INK, MUTED, VARIABLES
from pets_seg.report.plotting.widths import SMALL

# Of the text of a paper with two columns.
WIDTH = 7.2
STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.color": INK,
    # Names are a user's: a dollar sign in one is a dollar sign.
    "text.parse_math": False,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelsize": 7.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0,
    # A number that is to be added to the labels is overlooked.
    "axes.formatter.useoffset": False,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
    # The same study gives the same file.
    "svg.hashsalt": "pets_seg",
}
# Points of a line that are worth drawing and sending.
MOST_POINTS = 200


@dataclass(frozen=True)
class Lines:
    """Axes whose values at the pointer's x are shown; `series` are (label, colour, x, y, deviation or None)."""

    axes: Axes
    head: str
    series: list[tuple[str, str, np.ndarray, np.ndarray, np.ndarray | None]]


@dataclass(frozen=True)
class Points:
    """Axes whose mark nearest to the pointer is explained; `marks` are (x, y, colour, lines of text)."""

    axes: Axes
    marks: list[tuple[float, float, str, list[str]]]


@dataclass(frozen=True)
class Drawing:
    """A figure with its file's name, its title, how to read it, and what it says to those who do not see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    hover: list[Lines | Points] = field(default_factory=list)
    pictures: bool = False


def grid(
    figure: Figure,
    rows: int,
    columns: int,
    margins: tuple[float, float, float, float],
    gaps: tuple[float, float],
    **more,
) -> list[list[Axes]]:
    """Return axes in a grid; margins left, right, bottom, top and gaps between columns and rows are in inches."""
    width, height = figure.get_size_inches()
    left, right, bottom, top = margins
    inner = (width - left - right - gaps[0] * (columns - 1)) / columns
    tall = (height - bottom - top - gaps[1] * (rows - 1)) / rows
    spec = figure.add_gridspec(
        rows,
        columns,
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=gaps[0] / inner,
        hspace=gaps[1] / tall,
        **more,
    )
    return [[figure.add_subplot(spec[row, column]) for column in range(columns)] for row in range(rows)]


def end_labels(axes: Axes, ends: Sequence[tuple[float, float, str, str]], size: float = SMALL) -> float:
    """Write labels right of the axes, each led to from its point; `ends` are (x, y, label, colour).

    They keep the order of the points and are moved apart only as far as they must be. Returns where they start, in
    widths of the axes.
    """
    # Until then the limits of what was drawn are not known.
    axes.autoscale_view()
    height = axes.get_position().height * axes.figure.get_figheight() * 72
    width = axes.get_position().width * axes.figure.get_figwidth()
    to_axes = axes.transScale + axes.transLimits
    found = sorted(
        (
            *(float(np.clip(part, 0, 1)) for part in reversed(to_axes.transform((x, y)))),
            label,
            colour,
        )
        for x, y, label, colour in ends
        if math.isfinite(x) and math.isfinite(y)
    )
    heights = apart([item[0] for item in found], 1.3 * size / height)
    step = 0.05 / width
    for (y, x, label, colour), beside in zip(found, heights, strict=True):
        axes.plot(
            [x, max(x, 1) + step, 1 + 3 * step],
            [y, y, beside],
            transform=axes.transAxes,
            clip_on=False,
            color=colour,
            linewidth=0.6,
            linestyle=(0, (1, 1.2)) if x < 0.97 else "-",
            zorder=2.5,
        )
        axes.text(1 + 3.6 * step, beside, label, transform=axes.transAxes, fontsize=size, va="center_baseline")
    return 1 + 3.6 * step


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places `gap` apart or more, as near to the sorted `wanted` ones in 0..1 as can be."""
    blocks: list[list[float]] = []
    for index, place in enumerate(wanted):
        blocks.append([place - index * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            blocks[-1] = [
                (blocks[-1][0] * blocks[-1][1] + mean * count) / (blocks[-1][1] + count),
                blocks[-1][1] + count,
            ]
    starts = [mean for mean, count in blocks for _ in range(int(count))]
    room = 1 - (len(wanted) - 1) * gap
    low, high = (0.0, room) if room > 0 else (room / 2, room / 2)
    return [min(max(start, low), high) + index * gap for index, start in enumerate(starts)]


def thinned(count: int) -> np.ndarray:
    """Return the indices of `count` points that are drawn: all, or evenly some with the last."""
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
            panel |= {"head": part.head, "series": [_series(*series) for series in part.series]}
        else:
            to_pixels = part.axes.transData + part.axes.figure.transSubfigure.inverted()
            panel["points"] = [
                [round(float(x * width), 1), round(float((1 - y) * height), 1), VARIABLES.get(colour, "ink"), lines]
                for (x, y), colour, lines in (
                    (to_pixels.transform((mark[0], mark[1])), mark[2], mark[3]) for mark in part.marks
                )
                if math.isfinite(x) and math.isfinite(y)
            ]
        panels.append(panel)
    return panels


def _series(label: str, colour: str, x: np.ndarray, y: np.ndarray, deviation: np.ndarray | None) -> dict[str, Any]:
    keep = thinned(len(x))
    found = {"name": label, "colour": VARIABLES.get(colour, "ink"), "x": _numbers(x[keep], 10), "y": _numbers(y[keep])}
    if deviation is not None and np.isfinite(deviation).any():
        found["sd"] = _numbers(deviation[keep])
    return found


def _numbers(values: np.ndarray, digits: int = 4) -> list[float | None]:
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values]
