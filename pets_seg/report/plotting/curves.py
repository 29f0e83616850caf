"""Learning curves: losses and Dice, by epoch and by time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.report.plotting.courses import (
    MARGIN,
    SECONDS,
    Course,
    course_of,
    draw_mean,
    known_range,
    last_point,
    limit_epochs,
    limit_y,
)
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Lines, end_labels, grid, thinned
from pets_seg.report.plotting.legend import add_legend, legend_height
from pets_seg.report.plotting.looks import MUTED, OTHER, Look, chosen
from pets_seg.report.plotting.widths import SMALL, widest
from pets_seg.report.study.study import Study
from pets_seg.report.study.words import PANELS, Unit, unit_of

# The lines of more runs in colour would hide the means and make the page heavy.
MOST_RUNS = 60
# More grey lines are embedded as a raster image, which is smaller.
MOST_GREY = 40
# The curves of the reference study by label, with the columns of metrics.csv.
REFERENCE = Path(__file__).parents[1] / "reference" / "curves.csv"
Line = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Curves:
    """What the figure shows: courses in colour and in grey, the reference study by label, whether single runs too."""

    looks: dict[str, Look]
    strong: dict[str, Course]
    weak: list[Course]
    references: dict[str, pd.DataFrame]
    thin: bool
    unit: Unit

    @property
    def labels(self) -> list[str]:
        """The labels of what is drawn."""
        return [self.looks[name].label for name in self.strong] + (["others"] if self.weak else [])


def draw_curves(study: Study, looks: dict[str, Look], width: float = WIDTH, reference: bool = False) -> Drawing | None:
    """Return the learning curves of all groups; `reference` lays the six of the reference study under them."""
    courses = {group.name: course for group in study.finished if (course := course_of(group, list(PANELS)))}
    if not courses:
        return None
    counts = [len(course.values[SECONDS]) for course in courses.values()]
    shown = Curves(
        looks,
        {name: course for name, course in courses.items() if looks[name].strong},
        [course for name, course in courses.items() if not looks[name].strong],
        {str(label): table for label, table in pd.read_csv(REFERENCE).groupby("curve")} if reference else {},
        # On the narrow panels they would hide the means.
        width >= WIDTH and max(counts) > 1 and sum(counts) <= MOST_RUNS,
        unit_of("train_seconds", [known_range(course.values[SECONDS])[1] for course in courses.values()]),
    )
    figure, hover = _draw_wide(shown) if width >= WIDTH else _draw_narrow(shown, width)
    alt = f"Learning curves by epoch and by time of {', '.join(shown.labels)}; the tables hold their best values."
    return Drawing("curves", "Learning curves", _caption(study, shown), alt, figure, hover)


def _draw_wide(shown: Curves) -> tuple[Figure, list[Lines]]:
    """Draw a row by epoch and one by time, with labels at the ends of the lines."""
    right = 0.3 + max(widest(shown.labels), widest(shown.references, 6))
    figure = Figure((WIDTH, 6.15 if shown.references else 4.85))
    hover = []
    for by_time, row in enumerate(grid(figure, 2, 3, (0.42, right, 0.42, 0.28), (0.46, 0.65))):
        hover += [_draw_panel(axes, shown, column, bool(by_time)) for axes, column in zip(row, PANELS, strict=True)]
        for axes, title in zip(row, PANELS.values(), strict=True):
            axes.set_title(title)
            axes.set_xlabel(_head(shown, bool(by_time)))
        _label_ends(row[-1], shown, hover[-1])
    return figure, hover


def _draw_narrow(shown: Curves, width: float) -> tuple[Figure, list[Lines]]:
    """Draw a row for each measure, by epoch and by time, under a legend."""
    entries = [shown.looks[name] for name in shown.strong]
    entries += [Look("others", OTHER)] if shown.weak else []
    entries += [Look("reference study", OTHER)] if shown.references else []
    head = legend_height(entries, width) + 0.2
    figure = Figure((width, head + 0.4 + 3 * 1.3 + 2 * 0.28))
    rows = grid(figure, 3, 2, (0.42, 0.12, 0.4, head), (0.2, 0.28))
    add_legend(figure, entries)
    hover = []
    for by_time in (False, True):
        for row, (column, title) in zip(rows, PANELS.items(), strict=True):
            axes = row[by_time]
            hover.append(_draw_panel(axes, shown, column, by_time))
            if by_time:
                axes.set_ylim(row[0].get_ylim())
                axes.tick_params(labelleft=False)
            else:
                axes.set_title(title)
            if row is rows[-1]:
                axes.set_xlabel(_head(shown, by_time))
            else:
                axes.tick_params(labelbottom=False)
    return figure, hover


def _head(shown: Curves, by_time: bool) -> str:
    return f"{shown.unit.name} of training" if by_time else "epoch"


def _draw_panel(axes: Axes, shown: Curves, column: str, by_time: bool) -> Lines:
    seconds = shown.unit.scale if by_time else None
    lines = {name: course.curve(column, seconds) for name, course in shown.strong.items()}
    grey = [course.line(column, seconds) for course in shown.weak]
    references = [] if by_time else [*_references(shown, column).values()]
    every = [*(line[:2] for line in lines.values()), *grey, *references]
    # The first epochs of the reference study would press ours flat.
    late = [y[len(y) // 8 :] for _, y in references]
    limit_y(axes, [*(y for _, y in every[: len(every) - len(references)]), *late])
    _limit_x(axes, [x for x, _ in every], [x for x, _ in references], by_time)
    collection = LineCollection([np.column_stack(line) for line in grey], colors=OTHER, linewidths=0.5)
    collection.set(alpha=0.6, rasterized=len(grey) > MOST_GREY, zorder=1.4)
    axes.add_collection(collection)
    for x, y in references:
        axes.plot(x, y, color=OTHER, linewidth=0.5, zorder=1.5)
    for name, course in shown.strong.items():
        if shown.thin and len(course.values[SECONDS]) > 1:
            _draw_runs(axes, course, column, shown.looks[name].colour, seconds)
    series = [draw_mean(axes, shown.looks[name], *line) for name, line in lines.items()]
    return Lines(axes, shown.unit.name if by_time else "epoch", series)


def _references(shown: Curves, column: str) -> dict[str, Line]:
    tables = {name: table[["epoch", column]].to_numpy().T for name, table in shown.references.items()}
    return {name: (x, y) for name, (x, y) in tables.items()}


def _label_ends(axes: Axes, shown: Curves, lines: Lines) -> None:
    """Write labels right of the panels of Dice, those of the reference study only by epoch."""
    references = _references(shown, "val/dice") if lines.head == "epoch" else {}
    ends = [
        (*last_point(x, y), shown.looks[name]) for name, (_, _, x, y, _) in zip(shown.strong, lines.series, strict=True)
    ]
    ends += [(*last_point(x, y), Look(name, OTHER)) for name, (x, y) in references.items()]
    start = end_labels(axes, ends, 6.0 if references else SMALL)
    if references:
        axes.text(start, 1.06, "grey: the reference study", transform=axes.transAxes, fontsize=6, color=MUTED)


def _draw_runs(axes: Axes, course: Course, column: str, colour: str, seconds: float | None) -> None:
    keep = thinned(len(course.epochs))
    for times, y in zip(course.values[SECONDS], course.values[column], strict=True):
        x = times / seconds if seconds else course.epochs
        axes.plot(x[keep], y[keep], color=colour, linewidth=0.4, alpha=0.35, zorder=1.8)


def _limit_x(axes: Axes, lines: Sequence[np.ndarray], references: Sequence[np.ndarray], by_time: bool) -> None:
    """Fit the x axis to the x of all lines; it is logarithmic if `references` among them are far longer."""
    first, last = known_range(np.concatenate([*lines]))
    longest = known_range(np.concatenate(lines[: len(lines) - len(references)]))[1]
    if first > 0 and last > 2 * longest:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlim(first, last)
    elif not by_time and np.isfinite(first):
        limit_epochs(axes, first, last)
    elif by_time and last > 0:
        axes.set_xlim(min(0.0, first), (1 + MARGIN) * last)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def _caption(study: Study, shown: Curves) -> str:
    courses = [*shown.strong.values(), *shown.weak]
    several = max(len(course.values[SECONDS]) for course in courses) > 1
    text = "Lines are means over seeds, bands ± one standard deviation." if several else "Every group has one run."
    if shown.thin:
        text += " Thin lines are single runs."
    text += " By time, an epoch stands at the time at which its runs ended it, on average."
    if any(len(course.timed) < len(course.epochs) for course in courses):
        text += (
            " Where runs of a group differ in length, a mean is over those that have the epoch; by time it ends at the"
            " last epoch that all have."
        )
    if shown.weak:
        text += f" In colour: {chosen(study, shown.strong)}, {len(shown.strong)} of {len(courses)}; the others in grey."
    if shown.references:
        text += (
            " In grey: the six curves of the reference study, one run each, at 256 px, 100 epochs and more, networks of"
            " another size: not the same conditions, so compare shapes rather than values. Its first epochs may lie"
            " outside the axes."
        )
    return text
