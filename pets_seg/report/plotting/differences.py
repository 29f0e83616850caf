"""The difference of every group from its baseline, with its interval."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.report.plotting.difference_words import caption_of, interval_of, p_of, points_of, text_of
from pets_seg.report.plotting.drawing import (
    EDGE,
    WIDTH,
    Drawing,
    Mark,
    Points,
    add_axes,
    write_beside,
)
from pets_seg.report.plotting.forest import (
    EVERYWHERE,
    TWO_LINES,
    Interval,
    draw_interval,
    fit,
    make_room,
    name_sides,
    prepare,
    room_for,
    write_above,
)
from pets_seg.report.plotting.looks import INK, MUTED, OTHER, Look
from pets_seg.report.plotting.widths import LABEL, SMALL, widest
from pets_seg.report.study.compare import Difference
from pets_seg.report.study.study import Study
from pets_seg.report.study.verdicts import is_clear
from pets_seg.report.study.words import NAMES, count

# Only so many of the best and of the worst groups of a large sweep have a row.
BEST, WORST = 18, 6
# Inches: of a row, and between panels.
ROW, GAP = 0.235, 0.15
# Inches: of a side panel at most and at least, and of the main panel at least.
SIDE, SMALLEST, NARROWEST = 0.85, 0.5, 1.2
# Inches: beneath axes for their ticks and words, and above them for their title.
BELOW, HEAD = 0.5, 0.3
Rows = Sequence[Difference | str]


def draw_differences(study: Study, looks: dict[str, Look], width: float = WIDTH) -> Drawing | None:
    """Return the forest plot of differences in the metric of the study, with the others beside it."""
    every = [item for item in study.differences if item.metric == study.metric and math.isfinite(points_of(item))]
    if not every:
        return None
    rows = _rows(study, every, looks)
    figure, hover = (_draw_wide if width >= WIDTH else _draw_narrow)(study, rows, looks, width)
    shown = [item for item in rows if isinstance(item, Difference)]
    further = ""
    if len(shown) < len(every):
        further = f" Of {len(every)} groups the {BEST} best and the {WORST} worst are shown."
    if any(_room(study, rows, metric) != EVERYWHERE for metric in (study.metric, *_beside(study))):
        further += " An arrow marks an interval that goes on beyond the axis."
    caption = caption_of(study, shown, further)
    texts = "; ".join(f"{looks[item.group.name].label} {text_of(item)}" for item in shown)
    alt = f"Differences from the baseline in {NAMES[study.metric]}, points: {texts}"
    return Drawing("differences", "Difference from the baseline", caption, alt, figure, hover)


def _draw_wide(study: Study, rows: Rows, looks: dict[str, Look], width: float) -> tuple[Figure, list[Points]]:
    """Draw the panels in a row, labels on the left and numbers on the right of the main one."""
    left = 0.2 + _label_width(rows, looks)
    column = 1.08 * widest(text_of(item) for item in rows if isinstance(item, Difference)) + GAP
    beside = _beside(study)
    room = width - left - column - GAP
    side = max(SMALLEST, min(SIDE, (room - NARROWEST) / max(1, len(beside)) - GAP))
    main = room - len(beside) * (side + GAP)
    figure = Figure((width, len(rows) * ROW + BELOW + HEAD))
    places = [(study.metric, left, main)]
    places += [(name, left + main + column + GAP + i * (side + GAP), side) for i, name in enumerate(beside)]
    hover = []
    for metric, start, wide in places:
        axes = add_axes(figure, start, BELOW, wide, len(rows) * ROW)
        hover.append(_draw_panel(axes, study, rows, metric, looks))
    axes = hover[0].axes
    _label_rows(axes, rows, looks)
    for row, item in enumerate(rows):
        if isinstance(item, Difference):
            write_beside(axes, row, text_of(item), 0.08, fontweight=_weight(item))
    name_sides(figure, axes)
    return figure, hover


def _draw_narrow(study: Study, rows: Rows, looks: dict[str, Look], width: float) -> tuple[Figure, list[Points]]:
    """Draw the main panel over the whole width, labels and numbers above the intervals, the others beneath it."""
    beside = _beside(study)
    tall, low = len(rows) * TWO_LINES, len(rows) * ROW + 0.25 + HEAD if beside else 0.0
    figure = Figure((width, low + BELOW + tall + HEAD))
    axes = add_axes(figure, EDGE, low + BELOW, width - 2 * EDGE, tall)
    hover = [_draw_panel(axes, study, rows, study.metric, looks)]
    make_room(axes, len(rows))
    for row, item in enumerate(rows):
        if isinstance(item, str):
            write_above(axes, row, item, size=SMALL, color=MUTED)
        else:
            write_above(axes, row, looks[item.group.name].label)
            write_above(axes, row, text_of(item), right=True, size=SMALL, fontweight=_weight(item))
    name_sides(figure, axes)
    left = 0.2 + _label_width(rows, looks)
    wide = (width - EDGE - left) / max(1, len(beside)) - GAP
    for index, metric in enumerate(beside):
        axes = add_axes(figure, left + index * (wide + GAP), 0.25, wide, len(rows) * ROW)
        hover.append(_draw_panel(axes, study, rows, metric, looks))
        if index == 0:
            _label_rows(axes, rows, looks)
    return figure, hover


def _beside(study: Study) -> list[str]:
    return [metric for metric in NAMES if metric != study.metric and _is_known(study, metric)]


def _label_width(rows: Rows, looks: dict[str, Look]) -> float:
    names = widest((looks[item.group.name].label for item in rows if isinstance(item, Difference)), LABEL)
    return max(names, widest(item for item in rows if isinstance(item, str)))


def _label_rows(axes: Axes, rows: Rows, looks: dict[str, Look]) -> None:
    for row, item in enumerate(rows):
        if isinstance(item, str):
            write_beside(axes, row, item, -0.08, color=MUTED)
        else:
            write_beside(axes, row, looks[item.group.name].label, -0.08, LABEL)


def _is_known(study: Study, metric: str) -> bool:
    return any(item.metric == metric and math.isfinite(points_of(item)) for item in study.differences)


def _rows(study: Study, every: Sequence[Difference], looks: dict[str, Look]) -> list[Difference | str]:
    """Return the rows in the order of the study; text names one of several baselines.

    Of many groups the best and the worst differences have one.
    """
    ordered = sorted(every, key=points_of, reverse=True)
    if len(ordered) > BEST + WORST:
        ordered = ordered[:BEST] + ordered[-WORST:]
    names = [group.name for group in study.finished]
    ordered.sort(key=lambda item: names.index(item.group.name))
    if study.baseline is not None:
        return [*ordered]
    rows: list[Difference | str] = []
    for name in dict.fromkeys(item.baseline.name for item in every):
        part = [item for item in ordered if item.baseline.name == name]
        rows += [f"against {looks[name].label}", *part] if part else []
    return rows


def _draw_panel(axes: Axes, study: Study, rows: Rows, metric: str, looks: dict[str, Look]) -> Points:
    main = metric == study.metric
    prepare(axes, len(rows))
    marks = []
    room = _room(study, rows, metric)
    for row, item in _drawn(study, rows, metric):
        look = looks[item.group.name]
        marks.append(_draw(axes, row, item, look.colour if look.strong else OTHER, main, room))
    title = f"difference in {NAMES[metric]}, points" if main else NAMES[metric]
    axes.set_title(title, fontsize=8 if main else SMALL, color=INK if main else MUTED)
    fit(axes, 7 if main else 3)
    return Points(axes, marks)


def _drawn(study: Study, rows: Rows, metric: str) -> list[tuple[int, Difference]]:
    """Return the differences that a panel shows, each with the number of its row."""
    found = [None if isinstance(item, str) else study.difference(item.group, metric) for item in rows]
    return [(row, item) for row, item in enumerate(found) if item is not None and math.isfinite(points_of(item))]


def _room(study: Study, rows: Rows, metric: str) -> Interval:
    return room_for([interval_of(item) for _, item in _drawn(study, rows, metric)])


def _draw(axes: Axes, row: int, item: Difference, colour: str, main: bool, room: Interval) -> Mark:
    estimate, points = item.estimate, points_of(item)
    alpha = 1.0 if main else 0.75
    if math.isfinite(estimate.low):
        draw_interval(axes, row, interval_of(item), room, 2.0 if main else 1.0, color=colour, alpha=alpha)
    face = colour if estimate.seeds else "none"
    axes.plot(points, row, "o", color=colour, markersize=5.5 if main else 3.0, alpha=alpha, markerfacecolor=face)
    lines = [item.group.name, f"{text_of(item)} points against {item.baseline.name}"]
    if estimate.seeds:
        lines.append(f"{count(estimate.seeds, 'seed')}, {estimate.images} images{p_of(item)}")
    return Mark(points, row, colour, lines)


def _weight(item: Difference) -> str:
    return "bold" if is_clear(item) else "normal"
