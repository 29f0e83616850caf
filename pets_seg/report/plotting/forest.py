"""The axes of a forest plot: a row each, an interval around zero, and on which side of it a group is better."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from pets_seg.report.plotting.difference_words import signed
from pets_seg.report.plotting.drawing import add_text, size_inches
from pets_seg.report.plotting.looks import INK, MUTED
from pets_seg.report.plotting.widths import LABEL, SMALL, text_width

STEPS = [1, 2, 5, 10]
# Inches between the labels of two ticks at least, and by how much one may reach beyond its axis.
BETWEEN, OVER = 0.06, 0.06
# Inches: of a row with its text above its interval, and on either side of zero for the words beneath.
TWO_LINES, BESIDE_ZERO = 0.34, 0.55
# An interval that is so many times as long as the median is cut off, so that the others can be read.
CUT = 4
Interval = tuple[float, float]
EVERYWHERE = (-math.inf, math.inf)


def prepare(axes: Axes, rows: int) -> None:
    """Make room for rows, the first on top, with a line at zero and no other ticks than those of the points."""
    axes.set(ylim=(rows - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)


def room_for(intervals: Sequence[Interval]) -> Interval:
    """Return between which points intervals are drawn: everywhere, unless some are much longer than the others.

    The middle of every interval lies within.
    """
    known = [ends for ends in intervals if all(map(math.isfinite, ends))]
    longest = CUT * median(high - low for low, high in known) if known else 0.0
    short = [(low, high) for low, high in known if high - low <= longest]
    if longest == 0.0 or len(short) == len(known):
        return EVERYWHERE
    inside = [0.0, *(end for ends in short for end in ends), *((low + high) / 2 for low, high in known)]
    beyond = (max(inside) - min(inside)) / 4
    return min(inside) - beyond, max(inside) + beyond


def draw_interval(axes: Axes, row: float, interval: Interval, room: Interval, width: float, **style: Any) -> None:
    """Draw an interval, with an arrow in place of an end that lies beyond `room`."""
    low, high = max(interval[0], room[0]), min(interval[1], room[1])
    axes.plot([low, high], [row, row], linewidth=width, solid_capstyle="butt", **style)
    for end, cut, arrow in ((low, low > interval[0], "<"), (high, high < interval[1], ">")):
        if cut:
            axes.plot(end, row, arrow, markersize=2.5 * width, **style)


def fit(axes: Axes, ticks: int) -> None:
    """Fit the axis of points to what is drawn and to zero, with about so many ticks, fewer where they would touch."""
    low, high = min(axes.dataLim.x0, 0.0), max(axes.dataLim.x1, 0.0)
    pad = 0.08 * (high - low) or 1.0
    low, high = low - pad, high + pad
    axes.set_xlim(low, high)
    inches = axes.bbox.width / axes.figure.dpi
    found = (places for places in _ticks(low, high, ticks) if _apart(places, inches / (high - low), inches, low))
    places = next(found, [0.0])
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value, "g")))


def _ticks(low: float, high: float, most: int) -> Iterator[list[float]]:
    """Yield places of ticks, zero among them: at most so many, later ones further apart, but two at least."""
    for number in range(2 * most, 0, -1):
        every = MaxNLocator(number, steps=STEPS).tick_values(low, high)
        step = every[1] - every[0]
        for apart in (1, 2):
            inside = [place for place in every if low <= place <= high and round(place / step) % apart == 0]
            if 1 < len(inside) <= most:
                yield inside


def _apart(places: Sequence[float], scale: float, inches: float, low: float) -> bool:
    """Return whether the labels of ticks stand apart, and none reaches far beyond the axis, into its neighbour."""
    halves = [text_width(signed(place, "g")) / 2 for place in places]
    centres = [(place - low) * scale for place in places]
    ends = [*zip(centres, halves, strict=True)]
    inside = all(centre - half >= -OVER and centre + half <= inches + OVER for centre, half in ends)
    return inside and all(b - a >= left + right + BETWEEN for (a, left), (b, right) in pairwise(ends))


def name_sides(figure: Figure, axes: Axes) -> None:
    """Write on which side of zero a group is better, beneath the ticks."""
    x, y = axes.transData.transform((0, axes.get_ylim()[0])) / figure.dpi
    for text, ha, gap in (("← worse", "right", -3), ("better →", "left", 3)):
        add_text(figure, x + gap / 72, y - 24 / 72, text, SMALL, color=MUTED, ha=ha)


def make_room(axes: Axes, rows: int) -> None:
    """Make room for text above each of `rows` intervals, and on either side of zero for the words beneath."""
    axes.set_ylim(rows - 0.55, -0.75)
    low, high = axes.get_xlim()
    share = BESIDE_ZERO / size_inches(axes)[0]
    low = min(low, -share * high / (1 - share))
    axes.set_xlim(low, max(high, share * -low / (1 - share)))


def write_above(axes: Axes, row: float, text: str, right: bool = False, size: float = LABEL, **style: Any) -> None:
    """Write text at the left or right end of the line above the interval of `row`."""
    place: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "ha": "right" if right else "left",
        "va": "center_baseline",
    }
    # The box hides the grid behind the text.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    axes.text(float(right), row - 0.42, text, fontsize=size, bbox=box, **place, **style)
