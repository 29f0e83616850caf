"""The main effects of a sweep over three factors or more, factor by factor."""

import math
from itertools import groupby

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.differences import POINTS, signed
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, add_text, write_beside
from pets_seg.report.plotting.factors import labels_of
from pets_seg.report.plotting.looks import COLOURS, INK, MUTED
from pets_seg.report.plotting.widths import LABEL, LONGEST, SMALL, shortened, widest
from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, verdict
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
    rows: list[tuple[str, MainEffect | None]] = []
    for factor, group in groupby(effects, key=lambda item: item.factor):
        items = list(group)
        labels = labels_of([item.level for item in items])
        rows.append((shortened(f"{escaped(factor.key)}, against {factor.base}", LONGEST, SMALL), None))
        rows += zip(labels, items, strict=True)
    if len(rows) > MOST_ROWS:
        return None
    left = 0.2 + max(widest((text for text, _ in rows), LABEL), 0.3)
    texts = [_text(item) if item else "" for _, item in rows]
    if width - left - widest(texts) < NARROWEST:
        texts = [text.partition(" (")[0] for text in texts]
    figure = Figure((width, len(rows) * ROW + BELOW + ABOVE))
    # Bold text is wider.
    main = width - left - 1.12 * widest(texts) - 0.2
    axes = add_axes(figure, left, BELOW, main, len(rows) * ROW)
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    marks = []
    colours = {factor.key: COLOURS[index % len(COLOURS)] for index, factor in enumerate(study.factorial.factors)}
    for row, ((label, item), text) in enumerate(zip(rows, texts, strict=True)):
        if item is None:
            write_beside(axes, row, label, -0.08, color=MUTED)
            continue
        clear, colour = verdict(item) in (Verdict.BETTER, Verdict.WORSE), colours[item.factor.key]
        ends = [POINTS * item.estimate.low, POINTS * item.estimate.high]
        axes.plot(ends, [row, row], color=colour, linewidth=2.0, solid_capstyle="butt")
        axes.plot(POINTS * item.estimate.difference, row, "o", color=colour, markersize=5.5)
        write_beside(axes, row, label, -0.08, LABEL)
        write_beside(axes, row, text, 0.08, fontweight="bold" if clear else "normal")
        over = f"averaged over {count(len(item.pairs), 'combination')}, {count(item.estimate.seeds, 'seed')}"
        lines = [f"{item.factor.key}={item.level} against {item.factor.base}", f"{_text(item)} points", over]
        marks.append(Mark(POINTS * item.estimate.difference, row, colour, lines))
    axes.set_title(f"main effect on {NAMES[study.metric]}, points")
    low, high = min(axes.dataLim.x0, 0.0), max(axes.dataLim.x1, 0.0)
    pad = 0.08 * (high - low) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value, "g")))
    zero = axes.transData.transform((0, 0))[0] / figure.dpi
    for words, ha, x in (("← worse", "right", -3), ("better →", "left", 3)):
        add_text(figure, zero + x / 72, BELOW - 24 / 72, words, SMALL, color=MUTED, ha=ha)
    caption = _caption(study, effects)
    alt = f"{caption} {'; '.join(f'{item.factor.key}={item.level} {_text(item)}' for item in effects)}"
    return Drawing("main_effects", "What each factor does", caption, alt, figure, [Points(axes, marks)])


def _text(item: MainEffect) -> str:
    difference, low, high = (
        signed(POINTS * value) if math.isfinite(value) else ""
        for value in (item.estimate.difference, item.estimate.low, item.estimate.high)
    )
    return f"{difference} ({low} to {high})" if low else difference


def _caption(study: Study, effects: list[MainEffect]) -> str:
    text = "Difference of each level from the base level of its factor, averaged over the combinations of the others."
    if any(math.isfinite(item.estimate.low) for item in effects):
        text += f" Bars are {study.level} intervals; what is bold has p < 0.05 after Holm's correction for all."
    if any(item.left_out for item in effects):
        text += " Where runs are missing, combinations are left out; the table says of which rows."
    if any(item.estimate.seeds == 1 for item in effects):
        text += " With one seed there is no interval."
    return text
