"""Every group's difference from its baseline, with its interval: what the study found."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Points
from pets_seg.report.plotting.looks import INK, MUTED, OTHER, Look, counted_seeds, short_labels
from pets_seg.report.plotting.widths import LABEL, LONGEST, SMALL, shortened, widest
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import Verdict, verdict

POINTS = 100
MINUS = "\N{MINUS SIGN}"
# No Dice differs by so many points: a damaged file's number, which would fill the page.
LARGE = 1000
# Rows of a large sweep: the best and the worst of the groups.
BEST, WORST = 18, 6
ROW = 0.235
# Inches of the main panel; with long texts beside it the figure grows rather than that it gets less.
NARROWEST = 1.2
SIDE = {"val_dice": "validation Dice", "test_iou": "test IoU"}


def draw_differences(study: Study, looks: dict[str, Look]) -> Drawing | None:
    """Return the forest of differences in test Dice, with validation Dice and test IoU beside it."""
    every = [item for item in study.differences if item.metric == "test_dice" and math.isfinite(_points(item))]
    if not every:
        return None
    rows = _rows(study, every)
    labels = short_labels(study.groups)
    lines = [item for item in rows if isinstance(item, Difference)]
    left = 0.2 + max(
        widest([labels[item.group.name] for item in lines], LABEL),
        widest([item for item in rows if not isinstance(item, Difference)]),
    )
    texts = [_text(item) for item in lines]
    column = 1.08 * widest(texts) + 0.15
    tall = len(rows) * ROW
    side = 0.85
    main = max(NARROWEST, WIDTH - left - column - 2 * side - 0.45)
    figure = Figure((left + column + main + 2 * side + 0.45, tall + 0.8))
    axes = _axes(figure, left, main, tall, len(rows))
    sides = [
        _axes(figure, left + main + column + 0.15 + index * (side + 0.15), side, tall, len(rows))
        for index in range(len(SIDE))
    ]
    axes.set_title("difference in test Dice, points")
    marks: list[tuple[float, float, str, list[str]]] = []
    beside: list[list[tuple[float, float, str, list[str]]]] = [[], []]
    for row, item in enumerate(rows):
        if not isinstance(item, Difference):
            axes.text(
                -0.08 / main, row, item, transform=axes.get_yaxis_transform(), color=MUTED,
                fontsize=SMALL, ha="right", va="center_baseline",
            )  # fmt: skip
            continue
        look = looks[item.group.name]
        colour = look.colour if look.strong else OTHER
        marks.append(_draw(axes, row, item, colour, main=True))
        axes.text(
            -0.08 / main, row, labels[item.group.name], transform=axes.get_yaxis_transform(), fontsize=LABEL,
            ha="right", va="center_baseline",
        )  # fmt: skip
        axes.text(
            1 + 0.08 / main, row, _text(item), transform=axes.get_yaxis_transform(), fontsize=SMALL,
            va="center_baseline", fontweight="bold" if _is_clear(item) else "normal",
        )  # fmt: skip
        for panel, metric, found in zip(sides, SIDE, beside, strict=True):
            other = study.difference(item.group, metric)
            if other is not None and math.isfinite(_points(other)):
                found.append(_draw(panel, row, other, colour, main=False))
    for panel, metric in zip(sides, SIDE, strict=True):
        panel.set_title(SIDE[metric], fontsize=SMALL, color=MUTED)
    for panel, bins in ((axes, 7), *((panel, 3) for panel in sides)):
        _finish(panel, bins)
    for text, side_of_zero, x in (("← worse", "right", -3), ("better →", "left", 3)):
        axes.annotate(
            text, (0, 0), xycoords=axes.get_xaxis_transform(), xytext=(x, -24), textcoords="offset points",
            fontsize=SMALL, color=MUTED, ha=side_of_zero, annotation_clip=False,
        )  # fmt: skip
    hover = [Points(axes, marks), *(Points(panel, found) for panel, found in zip(sides, beside, strict=True))]
    caption = (
        "Mean difference over the seeds that both have, with its 95 % interval. A point is 0.01 of Dice or IoU."
        " An interval that crosses the line at zero leaves open which of the two is better."
    )
    if study.baseline is not None:
        caption = f"Baseline: {escaped(study.baseline.name)}. {caption}"
    if any(_is_clear(item) for item in lines):
        caption += " What is bold has p\u00a0<\u00a00.05 after Holm's correction for the number of groups."
    if any(item.estimate.seeds == 1 for item in lines):
        caption += " With one seed the interval is over images alone, and leaves out how training varies."
    if any(not item.estimate.seeds for item in lines):
        caption += " A hollow dot has no seed in common with the baseline, and so no interval."
    if any(item.estimate.seeds and math.isnan(item.estimate.low) for item in lines):
        caption += " There is no interval where the scores do not vary, or are not finite."
    if len(lines) < len(every):
        caption += f" Of {len(every)} groups the {BEST} best and the {WORST} worst are shown."
    alt = "Differences from the baseline in test Dice, points: " + "; ".join(
        f"{labels[item.group.name]} {_text(item)}" for item in lines
    )
    return Drawing("differences", "Difference from the baseline", caption, alt, figure, hover)


def _rows(study: Study, every: Sequence[Difference]) -> list[Difference | str]:
    """Return the rows: differences, the best first; of several baselines each has its own part under its name."""
    ordered = sorted(every, key=lambda item: -_points(item))
    if len(ordered) > BEST + WORST:
        ordered = ordered[:BEST] + ordered[-WORST:]
    if study.baseline is not None:
        return [*ordered[:BEST], "…", *ordered[BEST:]] if len(every) > len(ordered) else list(ordered)
    rows: list[Difference | str] = []
    labels = short_labels(study.groups)
    for name in dict.fromkeys(item.baseline.name for item in every):
        part = [item for item in ordered if item.baseline.name == name]
        rows += [shortened(f"against {labels[name]}", LONGEST, SMALL), *part] if part else []
    return rows


def _axes(figure: Figure, left: float, wide: float, tall: float, rows: int) -> Axes:
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 0.5 / height, wide / width, tall / height))
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1.5)
    return axes


def _draw(axes: Axes, row: int, item: Difference, colour: str, main: bool) -> tuple[float, float, str, list[str]]:
    found, points = item.estimate, _points(item)
    if math.isfinite(found.low):
        axes.plot(
            [POINTS * found.low, POINTS * found.high], [row, row], color=colour, linewidth=2.0 if main else 1.0,
            solid_capstyle="butt", alpha=1.0 if main else 0.75,
        )  # fmt: skip
    axes.plot(
        [points], [row], "o", color=colour, markersize=5.5 if main else 3.0, alpha=1.0 if main else 0.75,
        markerfacecolor=colour if found.seeds else "none",
    )  # fmt: skip
    lines = [item.group.name, f"{_text(item)} points against {item.baseline.name}"]
    if found.seeds:
        lines.append(counted_seeds(found.seeds) + f", {found.images} images" + _p(item))
    return points, row, colour, lines


def _finish(axes: Axes, bins: int) -> None:
    low, high = axes.dataLim.intervalx
    low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.08 * (high - low) or 1.0
    axes.set_xlim(low - pad, high + pad)
    axes.xaxis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed(value, "g")))


def _points(item: Difference) -> float:
    return POINTS * (item.estimate.difference if item.estimate.seeds else item.mean - item.baseline_mean)


def _text(item: Difference) -> str:
    text = signed(_points(item))
    if not item.estimate.seeds:
        return f"{text} (no seed in common)"
    if not math.isfinite(item.estimate.low):
        return f"{text} (no interval)"
    low, high = (signed(POINTS * value) for value in (item.estimate.low, item.estimate.high))
    return f"{text} ({low} to {high})"


def _is_clear(item: Difference) -> bool:
    return verdict(item) in (Verdict.BETTER, Verdict.WORSE)


def _p(item: Difference) -> str:
    if not math.isfinite(item.p_holm) or item.estimate.seeds < 2:
        return ""
    return ", p < 0.001" if item.p_holm < 0.001 else f", p = {item.p_holm:.3f} (Holm)"


def signed(value: float, form: str = ".2f") -> str:
    """Return a number with its sign."""
    text = format(abs(value), ".3g" if form == ".2f" and abs(value) >= LARGE else form)
    # What is printed as zero has no sign; a tick at zero may be off by rounding.
    if float(text) == 0 or abs(value) < 1e-12:
        return "0" if form == "g" else format(0.0, form)
    return ("+" if value > 0 else MINUS) + text
