"""The difference of every group from its baseline, with its interval."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, add_text, write_beside
from pets_seg.report.plotting.looks import INK, MUTED, OTHER, Look
from pets_seg.report.plotting.widths import LABEL, LONGEST, SMALL, shortened, widest
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, verdict
from pets_seg.report.study.words import NAMES, count

POINTS = 100
MINUS = "\N{MINUS SIGN}"
# No Dice differs by so many points: the number comes from a damaged file, and its digits would fill the page.
LARGE = 1000
# Only so many of the best and of the worst groups of a large sweep have a row.
BEST, WORST = 18, 6
# Inches: of a row, of a side panel, between panels, and of the main panel at least; for long texts the figure grows.
ROW, SIDE, GAP, NARROWEST = 0.235, 0.85, 0.15, 1.2


def draw_differences(study: Study, looks: dict[str, Look]) -> Drawing | None:
    """Return the forest plot of differences in the metric of the study, with the others beside it."""
    every = [item for item in study.differences if item.metric == study.metric and math.isfinite(_points(item))]
    if not every:
        return None
    rows = _rows(study, every, looks)
    shown = [item for item in rows if isinstance(item, Difference)]
    labels = {item.group.name: looks[item.group.name].label for item in shown}
    left = 0.2 + max(widest(labels.values(), LABEL), widest(item for item in rows if isinstance(item, str)))
    column = 1.08 * widest(_text(item) for item in shown) + GAP
    beside = [metric for metric in NAMES if metric != study.metric and _is_known(study, metric)]
    sides = len(beside) * (SIDE + GAP) + GAP
    main = max(NARROWEST, WIDTH - left - column - sides)
    figure = Figure((left + column + main + sides, len(rows) * ROW + 0.8))
    hover = []
    side = left + main + column + GAP
    places = [(study.metric, left, main), *((name, side + i * (SIDE + GAP), SIDE) for i, name in enumerate(beside))]
    for metric, start, wide in places:
        axes = add_axes(figure, start, 0.5, wide, len(rows) * ROW)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        hover.append(_draw_panel(axes, study, rows, metric, looks))
    axes = hover[0].axes
    for row, item in enumerate(rows):
        if isinstance(item, str):
            write_beside(axes, row, item, -0.08, color=MUTED)
        else:
            write_beside(axes, row, labels[item.group.name], -0.08, LABEL)
            write_beside(axes, row, _text(item), 0.08, fontweight="bold" if _is_clear(item) else "normal")
    zero = axes.transData.transform((0, 0))[0] / figure.dpi
    for text, ha, x in (("← worse", "right", -3), ("better →", "left", 3)):
        add_text(figure, zero + x / 72, 0.5 - 24 / 72, text, SMALL, color=MUTED, ha=ha)
    caption = _caption(study, shown, len(every))
    texts = "; ".join(f"{labels[item.group.name]} {_text(item)}" for item in shown)
    alt = f"Differences from the baseline in {NAMES[study.metric]}, points: {texts}"
    return Drawing("differences", "Difference from the baseline", caption, alt, figure, hover)


def _is_known(study: Study, metric: str) -> bool:
    return any(item.metric == metric and math.isfinite(_points(item)) for item in study.differences)


def _rows(study: Study, every: Sequence[Difference], looks: dict[str, Look]) -> list[Difference | str]:
    """Return the rows, the best difference first; text stands for rows left out, or names one of several baselines."""
    ordered = sorted(every, key=_points, reverse=True)
    if len(ordered) > BEST + WORST:
        ordered = ordered[:BEST] + ordered[-WORST:]
    if study.baseline is not None:
        return [*ordered[:BEST], "…", *ordered[BEST:]] if len(every) > len(ordered) else [*ordered]
    rows: list[Difference | str] = []
    for name in dict.fromkeys(item.baseline.name for item in every):
        part = [item for item in ordered if item.baseline.name == name]
        rows += [shortened(f"against {looks[name].label}", LONGEST, SMALL), *part] if part else []
    return rows


def _draw_panel(
    axes: Axes, study: Study, rows: Sequence[Difference | str], metric: str, looks: dict[str, Look]
) -> Points:
    main = metric == study.metric
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    marks = []
    for row, item in enumerate(rows):
        difference = None if isinstance(item, str) else study.difference(item.group, metric)
        if difference is not None and math.isfinite(_points(difference)):
            look = looks[difference.group.name]
            marks.append(_draw(axes, row, difference, look.colour if look.strong else OTHER, main))
    title = f"difference in {NAMES[metric]}, points" if main else NAMES[metric]
    axes.set_title(title, fontsize=8 if main else SMALL, color=INK if main else MUTED)
    low, high = min(axes.dataLim.x0, 0.0), max(axes.dataLim.x1, 0.0)
    pad = 0.08 * (high - low) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(7 if main else 3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value, "g")))
    return Points(axes, marks)


def _draw(axes: Axes, row: int, item: Difference, colour: str, main: bool) -> Mark:
    estimate, points = item.estimate, _points(item)
    alpha = 1.0 if main else 0.75
    if math.isfinite(estimate.low):
        ends = [POINTS * estimate.low, POINTS * estimate.high]
        axes.plot(ends, [row, row], color=colour, linewidth=2.0 if main else 1.0, solid_capstyle="butt", alpha=alpha)
    face = colour if estimate.seeds else "none"
    axes.plot(points, row, "o", color=colour, markersize=5.5 if main else 3.0, alpha=alpha, markerfacecolor=face)
    lines = [item.group.name, f"{_text(item)} points against {item.baseline.name}"]
    if estimate.seeds:
        lines.append(f"{count(estimate.seeds, 'seed')}, {estimate.images} images{_p(item)}")
    return Mark(points, row, colour, lines)


def _caption(study: Study, shown: Sequence[Difference], total: int) -> str:
    looked = ", valid at every look" if study.design else ""
    caption = (
        f"Mean difference over the seeds that both have, with its {study.level} interval{looked}. "
        "A point is 0.01 of Dice or IoU."
        " An interval that crosses the line at zero leaves open which of the two is better."
    )
    if study.baseline is not None:
        caption = f"Baseline: {escaped(study.baseline.name)}. {caption}"
    if any(_is_clear(item) for item in shown) and not study.design:
        caption += " What is bold has p\u00a0<\u00a00.05 after Holm's correction for the number of groups."
    if any(item.estimate.seeds == 1 for item in shown):
        caption += " With one seed the interval is over images alone, and leaves out how training varies."
    if any(not item.estimate.seeds for item in shown):
        caption += " A hollow dot has no seed in common with the baseline, and so no interval."
    if any(item.estimate.seeds and math.isnan(item.estimate.low) for item in shown):
        caption += " There is no interval where the scores do not vary, or are not finite."
    if len(shown) < total:
        caption += f" Of {total} groups the {BEST} best and the {WORST} worst are shown."
    return caption


def _points(item: Difference) -> float:
    return POINTS * (item.estimate.difference if item.estimate.seeds else item.mean - item.baseline_mean)


def _text(item: Difference) -> str:
    text = signed(_points(item))
    if not item.estimate.seeds:
        return f"{text} (no seed in common)"
    if not math.isfinite(item.estimate.low):
        return f"{text} (no interval)"
    return f"{text} ({signed(POINTS * item.estimate.low)} to {signed(POINTS * item.estimate.high)})"


def _is_clear(item: Difference) -> bool:
    return verdict(item) in (Verdict.BETTER, Verdict.WORSE)


def _p(item: Difference) -> str:
    if not math.isfinite(item.p_holm) or item.estimate.seeds < 2:
        return ""
    # A look's p counts all groups by itself.
    how = "" if item.p_holm == item.estimate.p else " (Holm)"
    return ", p < 0.001" if item.p_holm < 0.001 else f", p = {item.p_holm:.3f}{how}"


def signed(value: float, form: str = ".2f") -> str:
    """Return a number with its sign."""
    text = format(abs(value), ".3g" if form == ".2f" and abs(value) >= LARGE else form)
    # A value printed as zero has no sign; a tick at zero may be off by rounding.
    if float(text) == 0 or abs(value) < 1e-12:
        return "0" if form == "g" else format(0.0, form)
    return ("+" if value > 0 else MINUS) + text
