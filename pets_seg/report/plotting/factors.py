"""A sweep over two factors as a table of colours."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, add_text
from pets_seg.report.plotting.widths import LABEL, SMALL, shortened, text_width, widest
from pets_seg.report.study.groups import Group, written
from pets_seg.report.study.study import Study, plus_minus, spread
from pets_seg.report.study.words import NAMES, count

MOST_ROWS = 30
# Inches: of a row, of the longest label, from one slanted label to the next, and of a cell with numbers at least.
ROW, LONGEST, SLANTED, LEAST = 0.42, 1.1, 0.19, 0.55
# Not the page's ink, which changes in dark mode: the colours of the cells do not.
DARK, BRIGHT = "#101418", "#fdfdfd"


def draw_factors(study: Study, width: float = WIDTH) -> Drawing | None:
    """Return the mean test Dice of each combination of two factors; None for another sweep, or without results.

    None too if some combinations are several groups, of different data. `width` is that of the figure in inches.
    """
    if len(study.keys) != 2 or any(group.data for group in study.groups):
        return None
    first, second = sorted(study.keys, key=lambda key: len(_levels(study, key)))
    rows, columns = _levels(study, first), _levels(study, second)
    cells = {
        (rows.index(written(group.values[first])), columns.index(written(group.values[second]))): group
        for group in study.finished
    }
    # In a random search hardly any two runs share a value, which makes no table.
    if not 2 <= len(rows) <= MOST_ROWS or len(cells) < len(rows) * len(columns) / 2:
        return None
    values = np.full((len(rows), len(columns)), np.nan)
    for place, group in cells.items():
        values[place] = spread(group, study.metric).mean
    row_labels, column_labels = (labels_of(levels) for levels in (rows, columns))
    left = 0.2 + widest(row_labels, LABEL) + 0.2
    cell = min(1.3, (width - left - 0.75) / len(columns))
    wide, tall = cell * len(columns), ROW * len(rows)
    step, rotation, head = fitted(column_labels, cell)
    height = tall + head + 0.65
    figure = Figure((width, height))
    axes = add_axes(figure, left, 0.12, wide, tall, frameon=False)
    picture = axes.pcolormesh(np.ma.masked_invalid(values), cmap="cividis", edgecolors="white", linewidth=1.5)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=LABEL)
    ha = "left" if rotation else "center"
    axes.set_xticks(np.arange(0, len(columns), step) + 0.5, column_labels[::step], rotation=rotation, ha=ha)
    axes.set_yticks(np.arange(len(rows)) + 0.5, row_labels)
    bar = figure.colorbar(picture, cax=add_axes(figure, left + wide + 0.12, 0.12, 0.1, tall))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6, length=2)
    marks = _write(axes, study, cells, cell, float(np.mean(picture.get_clim())))
    first, second, metric = escaped(first), escaped(second), NAMES[study.metric]
    room = (width - 0.12 - text_width(f"{metric} by  (rows) and ", 8)) / 2
    title = f"{metric} by {shortened(first, room, 8)} (rows) and {shortened(second, room, 8)}"
    add_text(figure, 0.06, height - 0.08, title, 8, va="top")
    several = any(len(spread(group, study.metric).values) > 1 for group in cells.values())
    mean = (
        f"Mean {metric} ± standard deviation over seeds" if several else f"{metric[0].upper()}{metric[1:]} of one seed"
    )
    caption = f"{mean}, by {first} (rows) and {second} (columns)."
    if step > 1:
        caption += f" One column in {step} is labelled."
    if len(cells) < values.size:
        caption += " A blank cell has no finished run."
    figures = "; ".join(f"{group.name} {spread(group, study.metric).mean:.4f}" for group in [*cells.values()][:40])
    alt = f"{caption} {figures}"
    return Drawing("factors", "Every combination of the two factors", caption, alt, figure, [Points(axes, marks)])


def _write(axes: Axes, study: Study, cells: dict[tuple[int, int], Group], room: float, middle: float) -> list[Mark]:
    """Write figures into the cells that have `room` for them, in inches; return what explains all cells.

    Above the `middle` of the means the colours are bright.
    """
    marks = []
    for (row, column), group in sorted(cells.items(), key=lambda cell: cell[0]):
        dice = spread(group, study.metric)
        x, y = column + 0.5, row + 0.5
        marks.append(Mark(x, y, "", [group.name, plus_minus(dice), count(len(dice.values), "seed")]))
        text = plus_minus(dice).replace(" ", "\n", 1)
        if widest(text.splitlines()) < room - 0.07:
            colour = DARK if dice.mean > middle else BRIGHT
            axes.text(x, y, text, color=colour, fontsize=SMALL, ha="center", va="center")
    return marks


def labels_of(levels: Sequence[str]) -> list[str]:
    """Return levels of a factor as labels: numbers with six digits where these tell them apart, all of them short."""
    return [shortened(text, LONGEST) for text in _shown(levels)]


def fitted(labels: Sequence[str], room: float) -> tuple[int, int, float]:
    """Return how labels fit with `room` inches for each: one in how many, their slant in degrees, their height."""
    if widest(labels, LABEL) <= room - 0.08:
        return 1, 0, 0.0
    return math.ceil(SLANTED / room), 40, 0.7 * widest(labels, LABEL) - 0.15


def _levels(study: Study, key: str) -> list[str]:
    values: list[Any] = list({written(group.values[key]): group.values[key] for group in study.groups}.values())
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return [written(value) for value in values]


def _shown(levels: Sequence[str]) -> Sequence[str]:
    """Return levels as labels: numbers with six digits, where these tell them apart."""
    short = [_rounded(level) for level in levels]
    return short if len(set(short)) == len(short) else levels


def _rounded(level: str) -> str:
    try:
        return min(level, f"{float(level):.6g}", key=len)
    except ValueError:
        return level
