"""Learning curves: losses and Dice, by epoch and by time."""

import math
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.report.plotting.courses import SECONDS, Course, course
from pets_seg.report.plotting.drawing import WIDTH, Drawing, Lines, end_labels, grid, thinned
from pets_seg.report.plotting.looks import MUTED, OTHER, Look, chosen
from pets_seg.report.plotting.widths import SMALL, widest
from pets_seg.report.study.study import Study
from pets_seg.report.study.units import unit_of

PANELS = {"val/dice": "validation Dice", "val/loss": "validation loss", "train/loss": "training loss"}
# With more runs in colour their lines hide the means, and the page grows heavy.
MOST_RUNS = 60
# With more grey lines they become a picture.
MOST_GREY = 40
NETWORKS = {"unet": "UNet", "resnet34_unet": "ResNet34-UNet"}


def draw_curves(study: Study, looks: dict[str, Look], reference: bool = False) -> Drawing | None:
    """Return the learning curves of all groups; `reference` lays the six of the reference study under them."""
    courses = {group.name: found for group in study.groups if (found := course(group, list(PANELS)))}
    if not courses:
        return None
    strong = {name: found for name, found in courses.items() if looks[name].strong}
    weak = [found for name, found in courses.items() if not looks[name].strong]
    others = read_reference() if reference else {}
    labels = [looks[name].label for name in strong] + (["others"] if weak else [])
    right = 0.3 + max(widest(labels), widest(list(others), 6))
    tall = 2.4 if reference else 1.75
    figure = Figure((WIDTH, 2 * tall + 1.35))
    rows = grid(figure, 2, 3, (0.42, right, 0.42, 0.28), (0.46, 0.65))
    time = unit_of("train_seconds", [_ends(found.values[SECONDS])[1] for found in courses.values()])
    hover = []
    for by_time, row in enumerate(rows):
        lowest_labels = _order(row)
        for axes, column in zip(row, lowest_labels, strict=True):
            curves = {name: _curve(found, column, by_time, time.scale) for name, found in strong.items()}
            grey = [_curve(found, column, by_time, time.scale)[:2] for found in weak]
            under = {} if by_time else {name: (table["epoch"], table[column]) for name, table in others.items()}
            _limit(axes, [*((x, y) for x, y, _ in curves.values()), *grey], list(under.values()))
            _draw_grey(axes, grey)
            for x, y in under.values():
                axes.plot(x, y, color=OTHER, linewidth=0.5, zorder=1.5)
            if sum(len(found.values[column]) for found in courses.values()) <= MOST_RUNS:
                _draw_runs(axes, strong, looks, column, by_time, time.scale)
            for name, (x, y, deviation) in curves.items():
                _draw_mean(axes, x, y, deviation, looks[name])
            axes.set_title(PANELS[column])
            axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            axes.set_xlabel(f"{time.name} of training" if by_time else "epoch")
            head = time.name if by_time else "epoch"
            hover.append(Lines(axes, head, [(looks[n].label, looks[n].colour, *c) for n, c in curves.items()]))
            if column == lowest_labels[-1]:
                ends = [(*_end(x, y), looks[name].label, looks[name].colour) for name, (x, y, _) in curves.items()]
                size = SMALL
                if under:
                    ends += [(*_end(x.to_numpy(), y.to_numpy()), name, OTHER) for name, (x, y) in under.items()]
                    size = 6.0
                start = end_labels(axes, ends, size)
                if under:
                    axes.text(
                        start, 1.06, "grey: the reference study", transform=axes.transAxes, fontsize=6, color=MUTED
                    )
    return Drawing(
        "curves",
        "Learning curves",
        _caption(study, strong, weak, reference),
        f"Learning curves by epoch and by time of {', '.join(labels)}; the tables hold their best values.",
        figure,
        hover,
    )


def read_reference() -> dict[str, pd.DataFrame]:
    """Return the curves of the reference study by label, with the columns of metrics.csv."""
    found = {}
    for path in sorted(files("pets_seg.report").joinpath("reference").iterdir(), key=lambda path: path.name):
        if path.name.endswith(".csv"):
            model, _, aug = path.name.removesuffix(".csv").partition("-")
            with path.open() as file:
                table = pd.read_csv(file)
            names = {"train_loss": "train/loss", "val_loss": "val/loss", "val_dice": "val/dice"}
            found[f"{NETWORKS.get(model, model)}, {aug.replace('_', ' ')}"] = table.rename(columns=names)
    return found


def _order(row: Sequence[Axes]) -> list[str]:
    # Dice last: the labels stand at the ends of its lines.
    return list(reversed(PANELS))[: len(row)]


def _curve(found: Course, column: str, by_time: int, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    keep = found.timed[thinned(len(found.timed))] if by_time else thinned(len(found.epochs))
    x = found.mean(SECONDS) / scale if by_time else found.epochs
    return x[keep], found.mean(column)[keep], found.deviation(column)[keep]


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest of the values that are known; zeros without any."""
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)


def _end(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    return (float(x[known[-1]]), float(y[known[-1]])) if len(known) else (math.nan, math.nan)


def _draw_grey(axes: Axes, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    lines = [np.column_stack(curve) for curve in curves]
    raster = len(lines) > MOST_GREY
    axes.add_collection(LineCollection(lines, colors=OTHER, linewidths=0.5, alpha=0.6, rasterized=raster, zorder=1.4))


def _draw_runs(
    axes: Axes, strong: dict[str, Course], looks: dict[str, Look], column: str, by_time: int, scale: float
) -> None:
    for name, found in strong.items():
        if len(found.values[column]) < 2:
            continue
        keep = thinned(len(found.epochs))
        for x, y in zip(found.values[SECONDS] / scale, found.values[column], strict=True):
            axes.plot(
                (x if by_time else found.epochs)[keep],
                y[keep],
                color=looks[name].colour,
                linewidth=0.4,
                alpha=0.35,
                zorder=1.8,
            )


def _draw_mean(axes: Axes, x: np.ndarray, y: np.ndarray, deviation: np.ndarray, look: Look) -> None:
    if np.isfinite(deviation).any():
        axes.fill_between(x, y - deviation, y + deviation, color=look.colour, alpha=0.13, linewidth=0, zorder=1.6)
    marker = {"marker": "o", "markersize": 3} if len(x) == 1 else {}
    axes.plot(x, y, color=look.colour, linewidth=1.15, linestyle=look.dash, zorder=2.2, **marker)


def _limit(
    axes: Axes,
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    under: Sequence[tuple[pd.Series, pd.Series]],
) -> None:
    """Set what the axes show: the first epochs, where losses jump, do not decide it."""
    every = [*curves, *((x.to_numpy(), y.to_numpy()) for x, y in under)]
    late = np.concatenate([y[len(y) // 8 + (len(y) > 3) :] for _, y in every])
    if np.isfinite(late).any():
        low, high = _ends(late)
        pad = 0.06 * (high - low) or 0.01
        axes.set_ylim(low - pad, high + pad)
    first, last = _ends(np.concatenate([x for x, _ in every]))
    _, own = _ends(np.concatenate([x for x, _ in curves]))
    if last > 2 * own and first > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlim(first, last)
    elif last > first:
        axes.set_xlim(min(0.0, first), last)


def _caption(study: Study, strong: dict[str, Course], weak: Sequence[Course], reference: bool) -> str:
    courses = [*strong.values(), *weak]
    several = any(len(found.values[SECONDS]) > 1 for found in courses)
    text = "Lines are means over seeds, bands ± one standard deviation." if several else "Every group has one run."
    if several and sum(len(found.values[SECONDS]) for found in courses) <= MOST_RUNS:
        text += " Thin lines are single runs."
    text += " The first epochs may lie outside the axes."
    text += " In the lower row an epoch stands at the time at which its runs ended it, on average."
    if any(found.uneven for found in courses):
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
