"""The main effects of a sweep over three factors or more, factor by factor."""

import math
from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.difference_words import POINTS, signed
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, write_beside
from pets_seg.report.plotting.factors import labels_of
from pets_seg.report.plotting.forest import fit, name_sides, prepare
from pets_seg.report.plotting.looks import COLOURS, MUTED
from pets_seg.report.plotting.widths import LABEL, LONGEST, SMALL, shortened, widest
from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import is_clear
from pets_seg.report.study.words import NAMES, count

MOST_ROWS = 40
# Inches: of a row, below and above all rows, and of the panel with its margins at least, or intervals are not written.
ROW, BELOW, ABOVE, NARROWEST = 0.235, 0.5, 0.3, 1.9


def draw_main_effects(study: Study, width: float = WIDTH) -> Drawing | None:
    """Return the forest plot of main effects; None with fewer than three factors, or with too many levels.

    `width` is that of the figure in inches.
    """
    effects = [item for item in study.main_effects if math.isfinite(item.estimate.difference)]
    if study.factorial is None or len(study.factorial.factors) < 3 or not effects:
        return None
    if len(rows := _rows(effects)) > MOST_ROWS:
        return None
    left = 0.2 + max(widest((text for text, _ in rows), LABEL), 0.3)
    texts = [_text(item) if item else "" for _, item in rows]
    if width - left - widest(texts) < NARROWEST:
        texts = [text.partition(" (")[0] for text in texts]
    figure = Figure((width, len(rows) * ROW + BELOW + ABOVE))
    # Bold text is wider.
    main = width - left - 1.12 * widest(texts) - 0.2
    axes = add_axes(figure, left, BELOW, main, len(rows) * ROW)
    prepare(axes, len(rows))
    marks = []
    colours = {factor.key: COLOURS[index % len(COLOURS)] for index, factor in enumerate(study.factorial.factors)}
    for row, ((label, item), text) in enumerate(zip(rows, texts, strict=True)):
        if item is None:
            write_beside(axes, row, label, -0.08, color=MUTED)
            continue
        write_beside(axes, row, label, -0.08, LABEL)
        write_beside(axes, row, text, 0.08, fontweight="bold" if is_clear(item) else "normal")
        marks.append(_draw(axes, row, item, colours[item.factor.key]))
    axes.set_title(f"main effect on {NAMES[study.metric]}, points")
    fit(axes, 5)
    name_sides(figure, axes)
    caption = _caption(study, effects)
    alt = f"{caption} {'; '.join(f'{item.factor.key}={item.level} {_text(item)}' for item in effects)}"
    return Drawing("main_effects", "What each factor does", caption, alt, figure, [Points(axes, marks)])


def _rows(effects: Sequence[MainEffect]) -> list[tuple[str, MainEffect | None]]:
    """Return the labels of the rows with their effects; the label of a factor, above its levels, has none."""
    rows: list[tuple[str, MainEffect | None]] = []
    for factor, group in groupby(effects, key=lambda item: item.factor):
        items = list(group)
        rows.append((shortened(f"{escaped(factor.key)}, against {factor.base}", LONGEST, SMALL), None))
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
