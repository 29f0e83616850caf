"""Learning curves: losses and Dice, by epoch and by time."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pets_seg.report.plotting.courses import SECONDS, Course, course_of, draw_mean, known_range, last_point, limit_y
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Lines, end_labels, grid, thinned
from pets_seg.report.plotting.looks import MUTED, OTHER, Look, chosen
from pets_seg.report.plotting.widths import SMALL, widest
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import unit_of

# Dice comes last, because the labels stand at the ends of its lines.
PANELS = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}
# The lines of more runs in colour would hide the means and make the page heavy.
MOST_RUNS = 60
# More grey lines are embedded as a raster image, which is smaller.
MOST_GREY = 40
# The curves of the reference study by label, with the columns of metrics.csv.
REFERENCE = Path(__file__).parents[1] / "reference" / "curves.csv"


def draw_curves(study: Study, looks: dict[str, Look], reference: bool = False) -> Drawing | None:
    """Return the learning curves of all groups; `reference` lays the six of the reference study under them."""
    courses = {group.name: course for group in study.groups if (course := course_of(group, list(PANELS)))}
    if not courses:
        return None
    strong = {name: course for name, course in courses.items() if looks[name].strong}
    weak = [course for name, course in courses.items() if not looks[name].strong]
    tables = {str(label): table for label, table in pd.read_csv(REFERENCE).groupby("curve")} if reference else {}
    labels = [looks[name].label for name in strong] + (["others"] if weak else [])
    right = 0.3 + max(widest(labels), widest(tables, 6))
    figure = Figure((WIDTH, 6.15 if reference else 4.85))
    rows = grid(figure, 2, 3, (0.42, right, 0.42, 0.28), (0.46, 0.65))
    unit = unit_of("train_seconds", [known_range(course.values[SECONDS])[1] for course in courses.values()])
    few = sum(len(course.values[SECONDS]) for course in courses.values()) <= MOST_RUNS
    thin = {name: course for name, course in strong.items() if few and len(course.values[SECONDS]) > 1}
    hover = []
    for row, seconds, title in ((rows[0], None, "epoch"), (rows[1], unit.scale, f"{unit.name} of training")):
        for axes, column in zip(row, PANELS, strict=True):
            lines = {name: course.curve(column, seconds) for name, course in strong.items()}
            grey = [course.line(column, seconds) for course in weak]
            shown = {} if seconds else tables
            references = {name: tuple(table[["epoch", column]].to_numpy().T) for name, table in shown.items()}
            _limit(axes, [*(line[:2] for line in lines.values()), *grey], references.values())
            collection = LineCollection([np.column_stack(line) for line in grey], colors=OTHER, linewidths=0.5)
            collection.set(alpha=0.6, rasterized=len(grey) > MOST_GREY, zorder=1.4)
            axes.add_collection(collection)
            for x, y in references.values():
                axes.plot(x, y, color=OTHER, linewidth=0.5, zorder=1.5)
            for name, course in thin.items():
                _draw_runs(axes, course, column, looks[name].colour, seconds)
            series = [draw_mean(axes, looks[name], *line) for name, line in lines.items()]
            hover.append(Lines(axes, unit.name if seconds else "epoch", series))
            axes.set_title(PANELS[column])
            axes.set_xlabel(title)
        ends = [(*last_point(x, y), looks[name]) for name, (x, y, _) in lines.items()]
        ends += [(*last_point(x, y), Look(name, OTHER)) for name, (x, y) in references.items()]
        start = end_labels(axes, ends, 6.0 if references else SMALL)
        if references:
            axes.text(start, 1.06, "grey: the reference study", transform=axes.transAxes, fontsize=6, color=MUTED)
    caption = _caption(study, strong, weak, reference)
    alt = f"Learning curves by epoch and by time of {', '.join(labels)}; the tables hold their best values."
    return Drawing("curves", "Learning curves", caption, alt, figure, hover)


def _draw_runs(axes: Axes, course: Course, column: str, colour: str, seconds: float | None) -> None:
    keep = thinned(len(course.epochs))
    for times, y in zip(course.values[SECONDS], course.values[column], strict=True):
        x = times / seconds if seconds else course.epochs
        axes.plot(x[keep], y[keep], color=colour, linewidth=0.4, alpha=0.35, zorder=1.8)


def _limit(axes: Axes, lines: Sequence[tuple[np.ndarray, ...]], references: Collection[tuple[np.ndarray, ...]]) -> None:
    """Fit the axes to lines (x, y); the x axis is logarithmic if `references` are far longer."""
    limit_y(axes, [y for _, y in (*lines, *references)], 0.06)
    first, last = known_range(np.concatenate([x for x, _ in (*lines, *references)]))
    if first > 0 and last > 2 * known_range(np.concatenate([x for x, _ in lines]))[1]:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlim(first, last)
    elif last > first:
        axes.set_xlim(min(0.0, first), last)


def _caption(study: Study, strong: dict[str, Course], weak: Sequence[Course], reference: bool) -> str:
    courses = [*strong.values(), *weak]
    counts = [len(course.values[SECONDS]) for course in courses]
    several = max(counts) > 1
    text = "Lines are means over seeds, bands ± one standard deviation." if several else "Every group has one run."
    if several and sum(counts) <= MOST_RUNS:
        text += " Thin lines are single runs."
    text += " The first epochs may lie outside the axes."
    text += " In the lower row an epoch stands at the time at which its runs ended it, on average."
    if any(len(course.timed) < len(course.epochs) for course in courses):
        text += (
            " Where runs of a group differ in length, a mean is over those that have the epoch; by time it ends at the"
            " last epoch that all have."
        )
    if weak:
        text += f" In colour: {chosen(study, strong)}, {len(strong)} of {len(courses)}; the others in grey."
    if reference:
        text += (
            " In grey: the six curves of the reference study, one run each, at 256 px, 100 epochs and more, networks of"
            " another size: not the same conditions, so compare shapes rather than values."
        )
    return text
