"""The legend at the head of a figure that has no room for labels beside its lines."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from pets_seg.report.plotting.drawing import EDGE, add_axes
from pets_seg.report.plotting.looks import Look
from pets_seg.report.plotting.widths import SMALL, widest

# Inches: of a row, of the sample of a line with the gap behind it, and between columns.
ROW, SAMPLE, GAP = 0.15, 0.28, 0.15


def legend_height(looks: Sequence[Look], width: float) -> float:
    """Return the inches that the legend of a figure `width` inches wide takes, with the room beneath it."""
    return -(-len(looks) // _columns(looks, width)) * ROW + 0.1


def add_legend(figure: Figure, looks: Sequence[Look], dots: bool = False) -> None:
    """Write the labels of `looks`, row by row, each behind a sample of its line or a dot."""
    width, height = figure.get_size_inches()
    columns = _columns(looks, width)
    wide = SAMPLE + widest(look.label for look in looks) + GAP
    tall = legend_height(looks, width)
    axes = add_axes(figure, 0, height - tall, width, tall, xlim=(0, width), ylim=(tall, 0))
    axes.set_axis_off()
    for index, look in enumerate(looks):
        row, column = divmod(index, columns)
        x, y = EDGE + column * wide, 0.05 + (row + 0.5) * ROW
        if dots:
            axes.plot(x + 0.1, y, "o", color=look.colour, markersize=4.5)
        else:
            axes.plot([x, x + SAMPLE - 0.06], [y, y], color=look.colour, linestyle=look.dash, linewidth=1.3)
        axes.text(x + SAMPLE, y, look.label, fontsize=SMALL, va="center_baseline")


def _columns(looks: Sequence[Look], width: float) -> int:
    wide = SAMPLE + widest(look.label for look in looks) + GAP
    return max(1, int((width - 2 * EDGE + GAP) // wide))
