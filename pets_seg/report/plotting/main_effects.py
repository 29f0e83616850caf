"""The main effects of a sweep over three factors or more, factor by factor."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.difference_words import POINTS, signed
from pets_seg.report.plotting.drawing import EDGE, WIDTH, Drawing, Mark, Points, add_axes, write_beside
from pets_seg.report.plotting.factors import labels_of
from pets_seg.report.plotting.forest import TWO_LINES, fit, make_room, name_sides, prepare, write_above
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED
from pets_seg.report.plotting.widths import LABEL, SMALL, shortened, text_width, widest
from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import is_clear
from pets_seg.report.study.words import NAMES, count

MOST_ROWS = 40
# Inches: of a row, below and above all rows, and of the name of a factor beside the panel at most.
ROW, BELOW, ABOVE, LONGEST = 0.235, 0.5, 0.3, 2.6
Rows = Sequence[tuple[str, MainEffect | None]]


def draw_main_effects(study: Study, width: float = WIDTH) -> Drawing | None:
    """Return the forest plot of main effects; None with fewer than three factors, or with too many levels.

    `width` is that of the figure in inches.
    """
    effects = [item for item in study.main_effects if math.isfinite(item.estimate.difference)]
    if study.factorial is None or len(study.factorial.factors) < 3 or not effects:
        return None
    if len(rows := _rows(effects)) > MOST_ROWS:
        return None
    draw = _draw_wide if width >= WIDTH else _draw_narrow
    colours = {factor.key: COLOURS[index % len(COLOURS)] for index, factor in enumerate(study.factorial.factors)}
    figure, axes, marks = draw(rows, colours, width)
    axes.set_title(f"main effect on {NAMES[study.metric]}, points")
    name_sides(figure, axes)
    caption = _caption(study, effects)
    alt = f"{caption} {'; '.join(f'{item.factor.key}={item.level} {_text(item)}' for item in effects)}"
    return Drawing("main_effects", "What each factor does", caption, alt, figure, [Points(axes, marks)])


def _draw_wide(rows: Rows, colours: Mapping[str, str], width: float) -> tuple[Figure, Axes, list[Mark]]:
    """Draw the intervals with their labels on the left and their numbers on the right."""
    texts = [_text(item) if item else "" for _, item in rows]
    names = [shortened(label, LONGEST, LABEL if item else SMALL) for label, item in rows]
    left = 0.2 + max(widest(names, LABEL), 0.3)
    # Bold text is wider.
    main = width - left - 1.12 * widest(texts) - 0.2
    figure = Figure((width, len(rows) * ROW + BELOW + ABOVE))
    axes = add_axes(figure, left, BELOW, main, len(rows) * ROW)
    marks = _intervals(axes, rows, colours)
    for row, ((_, item), name, text) in enumerate(zip(rows, names, texts, strict=True)):
        write_beside(axes, row, name, -0.08, LABEL if item else SMALL, color=INK if item else MUTED)
        write_beside(axes, row, text, 0.08, fontweight="bold" if item and is_clear(item) else "normal")
    return figure, axes, marks


def _draw_narrow(rows: Rows, colours: Mapping[str, str], width: float) -> tuple[Figure, Axes, list[Mark]]:
    """Draw the intervals over the whole width, with labels and numbers above them."""
    tall = len(rows) * TWO_LINES
    figure = Figure((width, BELOW + tall + ABOVE))
    axes = add_axes(figure, EDGE, BELOW, width - 2 * EDGE, tall)
    marks = _intervals(axes, rows, colours)
    make_room(axes, len(rows))
    for row, (label, item) in enumerate(rows):
        if item is None:
            # It stands nearer to its levels than to those above it.
            write_above(axes, row + 0.4, shortened(label, width - 2 * EDGE, SMALL), size=SMALL, color=MUTED)
            continue
        text = _text(item)
        write_above(axes, row, shortened(label, width - 2 * EDGE - 1.12 * text_width(text) - 0.1))
        write_above(axes, row, text, right=True, size=SMALL, fontweight="bold" if is_clear(item) else "normal")
    return figure, axes, marks


def _intervals(axes: Axes, rows: Rows, colours: Mapping[str, str]) -> list[Mark]:
    """Draw the interval of each effect in its row, and fit the axes to them."""
    prepare(axes, len(rows))
    marks = [_draw(axes, row, item, colours[item.factor.key]) for row, (_, item) in enumerate(rows) if item]
    fit(axes, 5)
    return marks


def _rows(effects: Sequence[MainEffect]) -> Rows:
    """Return the labels of the rows with their effects; the label of a factor, above its levels, has none."""
    rows: list[tuple[str, MainEffect | None]] = []
    for factor, group in groupby(effects, key=lambda item: item.factor):
        items = list(group)
        rows.append((f"{escaped(factor.key)}, against {factor.base}", None))
        rows += zip(labels_of([item.level for item in items]), items, strict=True)
    return rows


def _draw(axes: Axes, row: int, item: MainEffect, colour: str) -> Mark:
    middle = POINTS * item.estimate.difference
    ends = [POINTS * item.estimate.low, POINTS * item.estimate.high]
    axes.plot(ends, [row, row], color=colour, linewidth=2.0, solid_capstyle="butt")
    axes.plot(middle, row, "o", color=colour, markersize=5.5)
    over = f"averaged over {count(len(item.pairs), 'combination')}, {count(item.estimate.seeds, 'seed')}"
    lines = [f"{item.factor.key}={item.level} against {item.factor.base}", f"{_text(item)} points", over]
    return Mark(middle, row, colour, lines)


def _text(item: MainEffect) -> str:
    difference, low, high = (
        signed(POINTS * value) if math.isfinite(value) else ""
        for value in (item.estimate.difference, item.estimate.low, item.estimate.high)
    )
    return f"{difference} ({low} to {high})" if low else difference


def _caption(study: Study, effects: list[MainEffect]) -> str:
    text = "Difference of each level from the base level of its factor, averaged over the combinations of the others."
    if any(math.isfinite(item.estimate.low) for item in effects):
        text += f" Bars are {study.level} intervals. What is bold has p < 0.05 after Holm's correction for the number"
        text += " of main effects."
    if any(item.left_out for item in effects):
        text += " Where runs are missing, combinations are left out; the table says of which rows."
    if any(item.estimate.seeds == 1 for item in effects):
        text += " With one seed there is no interval."
    return text
