"""A sweep over two factors as a table of colours."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Points
from pets_seg.report.plotting.looks import counted_seeds
from pets_seg.report.plotting.widths import LABEL, SMALL, shortened, text_width, widest
from pets_seg.report.study.groups import written
from pets_seg.report.study.study import Spread, Study, spread

# Cells that are wide enough for their numbers.
MOST_COLUMNS = 8
MOST_ROWS = 30
ROW = 0.42
# Inches of a row's or column's label, and from one slanted label to the next.
LONGEST = 1.1
SLANTED = 0.19
# Not the ink of the page: a cell keeps its colours in the dark.
DARK, BRIGHT = "#101418", "#fdfdfd"


def draw_factors(study: Study) -> Drawing | None:
    """Return the mean test Dice of each combination of two factors; None for another sweep, or without results."""
    if len(study.keys) != 2:
        return None
    first, second = study.keys
    rows, columns = (_levels(study, key) for key in study.keys)
    if len(rows) > len(columns):
        first, second, rows, columns = second, first, columns, rows
    if len(rows) < 2:
        return None
    cells = {
        (written(group.values[first]), written(group.values[second])): (group, spread(group, "test_dice"))
        for group in study.groups
        if group.finished
    }
    # Of a random search hardly any two runs share a value: there is no table to draw.
    if len(rows) > MOST_ROWS or len(cells) < len(rows) * len(columns) / 2:
        return None
    values = np.array(
        [[cells[row, column][1].mean if (row, column) in cells else np.nan for column in columns] for row in rows]
    )
    if not np.isfinite(values).any():
        return None
    row_labels, column_labels = ([shortened(text, LONGEST) for text in _shown(levels)] for levels in (rows, columns))
    left = 0.2 + widest(row_labels, LABEL) + 0.2
    cell = min(1.3, (WIDTH - left - 0.75) / len(columns))
    slanted = widest(column_labels, LABEL) > cell - 0.08
    head = 0.35 + (0.7 * widest(column_labels, LABEL) if slanted else 0.15)
    figure = Figure((left + cell * len(columns) + 0.75, ROW * len(rows) + head + 0.15))
    width, height = figure.get_size_inches()
    axes = figure.add_axes(
        (left / width, 0.12 / height, cell * len(columns) / width, ROW * len(rows) / height), frameon=False
    )
    picture = axes.pcolormesh(np.ma.masked_invalid(values), cmap="cividis", edgecolors="white", linewidth=1.5)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=LABEL)
    every = math.ceil(SLANTED / cell) if slanted else 1
    axes.set_xticks(
        np.arange(len(columns))[::every] + 0.5, column_labels[::every],
        **({"rotation": 40, "ha": "left"} if slanted else {}),
    )  # fmt: skip
    axes.set_yticks(np.arange(len(rows)) + 0.5, row_labels)
    marks = []
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            if (row, column) not in cells or not math.isfinite(values[y, x]):
                continue
            group, found = cells[row, column]
            colour = DARK if picture.norm(values[y, x]) > 0.5 else BRIGHT
            if len(columns) <= MOST_COLUMNS:
                axes.text(x + 0.5, y + 0.5, _text(found), color=colour, fontsize=SMALL, ha="center", va="center")
            marks.append(
                (x + 0.5, y + 0.5, "", [group.name, _text(found).replace("\n", " "), counted_seeds(len(found.values))])
            )
    scale = figure.add_axes(
        ((left + cell * len(columns) + 0.12) / width, 0.12 / height, 0.1 / width, ROW * len(rows) / height)
    )
    bar = figure.colorbar(picture, cax=scale)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6, length=2)
    first, second = escaped(first), escaped(second)
    room = (width - 0.12 - text_width("test Dice by  (rows) and ", 8)) / 2
    figure.text(
        0.06 / width, 1 - 0.08 / height, f"test Dice by {shortened(first, room, 8)} (rows) and"
        f" {shortened(second, room, 8)}", fontsize=8, va="top",
    )  # fmt: skip
    caption = f"Mean test Dice ± standard deviation over seeds, by {first} (rows) and {second} (columns)."
    if every > 1:
        caption += f" One column in {every} is labelled."
    if len(cells) < len(rows) * len(columns):
        caption += " A blank cell has no finished run."
    alt = caption + " " + "; ".join(f"{group.name} {found.mean:.4f}" for group, found in list(cells.values())[:40])
    return Drawing("factors", "The two factors together", caption, alt, figure, [Points(axes, marks)])


def _levels(study: Study, key: str) -> list[str]:
    values: list[Any] = list({written(group.values[key]): group.values[key] for group in study.groups}.values())
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    return [written(value) for value in values]


def _shown(levels: Sequence[str]) -> list[str]:
    """Return levels as labels: of numbers six digits, where these tell them apart."""
    short = [_rounded(level) for level in levels]
    return short if len(set(short)) == len(short) else list(levels)


def _rounded(level: str) -> str:
    try:
        text = f"{float(level):.6g}"
    except ValueError:
        return level
    return text if len(text) < len(level) else level


def _text(found: Spread) -> str:
    return f"{found.mean:.4f}" + (f"\n± {found.deviation:.4f}" if math.isfinite(found.deviation) else "")
