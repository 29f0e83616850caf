"""The axes of a forest plot: a row each, an interval around zero, and on which side of it a group is better."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.report.plotting.difference_words import signed
from pets_seg.report.plotting.drawing import add_text
from pets_seg.report.plotting.looks import INK, MUTED
from pets_seg.report.plotting.widths import SMALL


def prepare(axes: Axes, rows: int) -> None:
    """Make room for rows, the first on top, with a line at zero and no other ticks than those of the points."""
    axes.set(ylim=(rows - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)


def fit(axes: Axes, ticks: int) -> None:
    """Fit the axis of points to what is drawn and to zero, with about so many ticks."""
    low, high = min(axes.dataLim.x0, 0.0), max(axes.dataLim.x1, 0.0)
    pad = 0.08 * (high - low) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value, "g")))


def name_sides(figure: Figure, axes: Axes) -> None:
    """Write on which side of zero a group is better, beneath the ticks."""
    x, y = axes.transData.transform((0, axes.get_ylim()[0])) / figure.dpi
    for text, ha, gap in (("← worse", "right", -3), ("better →", "left", 3)):
        add_text(figure, x + gap / 72, y - 24 / 72, text, SMALL, color=MUTED, ha=ha)
