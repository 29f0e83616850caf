"""The interaction of two factors: the means of all combinations, a line for each level of one of them."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.courses import last_point
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, end_labels
from pets_seg.report.plotting.factors import fitted, labels_of
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED, Look
from pets_seg.report.plotting.widths import LABEL, SMALL, shortened, widest
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study, plus_minus, spread
from pets_seg.report.study.words import NAMES, count

# Labels of more levels do not fit.
MOST_LEVELS = 30
# Inches: from level to level at most, the height of the axes, and around them left, below and above.
STEP, TALL, LEFT, BELOW, ABOVE = 1.3, 2.1, 0.62, 0.47, 0.32
# In Dice, the least height of the axes: smaller differences must not look large.
NARROWEST = 0.01


def draw_interaction(study: Study, width: float = WIDTH) -> Drawing | None:
    """Return the mean of the metric at each level of the factor with more levels, a line for each level of the other.

    None for a sweep that is not factorial, has more than two factors, or more levels than there are colours. `width` is
    the most that it takes, in inches.
    """
    design = study.factorial
    if design is None or len(design.factors) != 2:
        return None
    own, other = design.across, 1 - design.across
    across, beside = design.factors[own], design.factors[other]
    if len(beside.levels) > len(COLOURS) + 1 or len(across.levels) > MOST_LEVELS:
        return None
    groups = [group for group in design.cells.values() if math.isfinite(spread(group, study.metric).mean)]
    if not groups:
        return None
    looks = [Look(*look) for look in zip(labels_of(beside.levels), (INK, *COLOURS), strict=False)]
    heading = shortened(escaped(beside.key), 1.1, SMALL)
    right = 0.35 + widest([heading, *(look.label for look in looks)])
    order = _left_to_right(across.levels)
    figure, axes, one_in = _axes(across.key, [across.levels[at] for at in order], width, right)
    axes.set_title(NAMES[study.metric])
    cut = _limit(axes, study, groups)
    marks, ends = [], []
    for row, look in enumerate(looks):
        # Side by side, so that no interval hides another.
        shift = (row - (len(looks) - 1) / 2) * min(0.06, 0.4 / len(looks))
        line = {place[own]: group for place, group in design.cells.items() if place[other] == row and group in groups}
        line = {order.index(at): group for at, group in line.items()}
        drawn, end = _draw_line(axes, study, line, shift, look)
        marks += drawn
        ends.append((*end, look))
    start = end_labels(axes, ends)
    axes.text(start, 1.04, heading, transform=axes.transAxes, fontsize=SMALL, color=MUTED)
    caption = _caption(study, groups, [escaped(across.key), escaped(beside.key)], cut)
    if one_in > 1:
        caption += f" One level in {one_in} is labelled."
    if len(groups) < len(across.levels) * len(beside.levels):
        caption += " Where a line has a gap there is no finished run."
    values = "; ".join(f"{group.name} {spread(group, study.metric).mean:.4f}" for group in groups[:40])
    alt = f"{caption} {values}"
    return Drawing("interaction", "Interaction of the two factors", caption, alt, figure, [Points(axes, marks)])


def _left_to_right(levels: Sequence[str]) -> list[int]:
    """Return the indices of levels as they are drawn: numbers from the least to the greatest, others as they are."""
    try:
        return sorted(range(len(levels)), key=lambda at: float(levels[at]))
    except ValueError:
        return [*range(len(levels))]


def _axes(key: str, levels: Sequence[str], width: float, right: float) -> tuple[Figure, Axes, int]:
    """Return axes with the levels of `key`, and how many levels there are to a label; `right` is left beside them.

    `width` and `right` are in inches.
    """
    labels = labels_of(levels)
    # Half a step to the left of the first level, less to the right of the last, where lines go on to their labels.
    steps = len(labels) - 0.25
    step = min(STEP, (width - LEFT - right) / steps)
    one_in, rotation, below = fitted(labels, step)
    figure = Figure((width, ABOVE + TALL + BELOW + below))
    axes = add_axes(figure, LEFT, BELOW + below, step * steps, TALL)
    axes.set_xlim(-0.5, steps - 0.5)
    ha = "right" if rotation else "center"
    axes.set_xticks(range(0, len(labels), one_in), labels[::one_in], rotation=rotation, ha=ha, rotation_mode="anchor")
    axes.tick_params(axis="x", labelsize=LABEL, length=0, pad=4)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel(shortened(escaped(key), step * steps, LABEL))
    return figure, axes, one_in


def _limit(axes: Axes, study: Study, groups: Sequence[Group]) -> bool:
    """Fit the y axis to the means and their intervals; return whether it cuts off intervals that are far longer."""
    found = [spread(group, study.metric) for group in groups]
    means = [figure.mean for figure in found]
    room = max(max(means) - min(means), NARROWEST)
    # Unlike Python's, this minimum leaves out NaN.
    low, high = (
        np.nanmin([figure.low for figure in found] + means),
        np.nanmax([figure.high for figure in found] + means),
    )
    ends = max(low, min(means) - room), min(high, max(means) + room)
    pad = max(0.05 * (ends[1] - ends[0]), (NARROWEST - ends[1] + ends[0]) / 2)
    axes.set_ylim(ends[0] - pad, ends[1] + pad)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    return bool(low < ends[0] - pad or high > ends[1] + pad)


def _draw_line(
    axes: Axes, study: Study, line: dict[int, Group], shift: float, look: Look
) -> tuple[list[Mark], tuple[float, float]]:
    """Draw the means of a line by level, broken where one is missing; return what explains them, and its last point."""
    last = max(line, default=-1)
    x = np.arange(last + 1) + shift
    y = np.array([spread(line[at], study.metric).mean if at in line else math.nan for at in range(last + 1)])
    axes.plot(x, y, color=look.colour, linewidth=1.15, marker="o", markersize=4.5, zorder=2.2)
    marks = []
    for at, group in line.items():
        figure = spread(group, study.metric)
        lines = [group.name, f"{NAMES[study.metric]} {plus_minus(figure)}"]
        if math.isfinite(figure.low):
            axes.plot([x[at]] * 2, [figure.low, figure.high], color=look.colour, linewidth=1.0, alpha=0.75, zorder=2.0)
            lines.append(f"{study.level} CI {figure.low:.4f} to {figure.high:.4f}")
        marks.append(Mark(x[at], figure.mean, look.colour, [*lines, count(len(figure.values), "seed")]))
    return marks, last_point(x, y)


def _caption(study: Study, groups: Sequence[Group], keys: Sequence[str], cut: bool) -> str:
    metric, numbers = NAMES[study.metric], [len(group.finished) for group in groups]
    text = f"Mean {metric} over seeds by {keys[0]}, a line for each level of {keys[1]}."
    text += f" Where lines run parallel, the effect of {keys[0]} is the same for every level of {keys[1]}."
    if max(numbers) == 1:
        return f"{text} Every group has one run, so that there are no intervals over seeds."
    text += f" Bars are {study.level} t intervals of each mean over seeds; they are not those of differences, which are"
    text += " paired."
    if min(numbers) == 1:
        text += " A mean without a bar is of one seed."
    return f"{text} A bar that ends at the edge goes on beyond it." if cut else text
