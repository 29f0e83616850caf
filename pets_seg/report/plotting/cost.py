"""Test Dice against its costs (time to train, parameters, memory), with the Pareto front."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, end_labels, grid
from pets_seg.report.plotting.legend import add_legend, legend_height
from pets_seg.report.plotting.looks import MUTED, OTHER, Look
from pets_seg.report.plotting.widths import widest
from pets_seg.report.study.study import Spread, Study, plus_minus, spread
from pets_seg.report.study.words import NAMES, unit_of

COSTS = {"train_seconds": "time to train", "parameters": "parameters", "peak_memory_mb": "peak memory"}
# Costs count as equal if they differ by at most this share of the largest: clock and allocator are no finer.
SAME = {"train_seconds": 0.01, "parameters": 0.0, "peak_memory_mb": 0.01}

STRONG: dict[str, Any] = {"fmt": "o", "elinewidth": 0.8, "markersize": 5.5, "alpha": 1.0, "zorder": 2.5}
GREY: dict[str, Any] = {**STRONG, "markersize": 3.0, "alpha": 0.7, "zorder": 2.0}
# More grey dots are drawn at once, as a raster image, which is smaller.
MOST_GREY = 40


@dataclass(frozen=True)
class Costs:
    """What the figure shows: the metric and each cost by the name of a group; `differing` costs have a panel."""

    metric: str
    looks: dict[str, Look]
    scores: dict[str, Spread]
    costs: dict[str, dict[str, Spread]]

    @property
    def differing(self) -> list[str]:
        """The costs that are not the same in all groups."""
        return [key for key in COSTS if _differs(key, self.costs[key].values())]

    @property
    def complete(self) -> bool:
        """Whether every group in colour has a point in the last panel, beside which its label can stand."""
        last = self.costs[self.differing[-1]]
        return all(math.isfinite(last[name].mean) for name in self.strong)

    @property
    def entries(self) -> list[Look]:
        """What a legend has."""
        others = [Look("others", OTHER)] if len(self.strong) < len(self.scores) else []
        return [self.looks[name] for name in self.strong] + others

    @property
    def strong(self) -> list[str]:
        """The names of the groups in colour."""
        return [name for name in self.scores if self.looks[name].strong]


def draw_cost(study: Study, looks: dict[str, Look], width: float = WIDTH) -> Drawing | None:
    """Return the metric of the study against each cost that differs; None if there is one group, or none differs."""
    groups = [group for group in study.finished if math.isfinite(spread(group, study.metric).mean)]
    data = Costs(
        study.metric,
        looks,
        {group.name: spread(group, study.metric) for group in groups},
        {key: {group.name: spread(group, key) for group in groups} for key in COSTS},
    )
    if len(groups) < 2 or not data.differing:
        return None
    figure, hover = _draw_wide(data) if width >= WIDTH else _draw_narrow(data, width)
    against = ", ".join(COSTS[key] for key in data.differing)
    alt = f"{NAMES[study.metric]} against {against} of {len(groups)} groups"
    return Drawing("cost", "What it costs", _caption(data), alt, figure, hover)


def _draw_wide(data: Costs) -> tuple[Figure, list[Points]]:
    """Draw the panels in a row, with labels beside the last, or under a legend."""
    right = 0.35 + widest(data.looks[name].label for name in data.strong) if data.complete else 0.2
    head = 0.28 if data.complete else legend_height(data.entries, WIDTH) + 0.2
    figure = Figure((WIDTH, 2.17 + head))
    # A single panel over the whole width would be mostly empty.
    right += max(0.0, (WIDTH - 0.62 - right) * (1 - (0.3 + 0.35 * len(data.differing))))
    [panels] = grid(figure, 1, len(data.differing), (0.62, right, 0.42, head), (0.25, 0))
    hover = [_draw_panel(axes, key, data) for axes, key in zip(panels, data.differing, strict=True)]
    _share_height(panels)
    panels[0].set_ylabel(NAMES[data.metric])
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)
    if data.complete:
        ends = {mark.lines[0]: (mark.x, mark.y) for mark in hover[-1].marks}
        end_labels(panels[-1], [(*ends[name], data.looks[name]) for name in data.strong])
    else:
        add_legend(figure, data.entries, dots=True)
    return figure, hover


def _draw_narrow(data: Costs, width: float) -> tuple[Figure, list[Points]]:
    """Draw the panels one beneath the other, under a legend."""
    head, rows = legend_height(data.entries, width) + 0.2, len(data.differing)
    figure = Figure((width, head + 0.42 + 1.4 * rows + 0.68 * (rows - 1)))
    panels = [row[0] for row in grid(figure, rows, 1, (0.62, 0.2, 0.42, head), (0, 0.68))]
    add_legend(figure, data.entries, dots=True)
    hover = [_draw_panel(axes, key, data) for axes, key in zip(panels, data.differing, strict=True)]
    _share_height(panels)
    for axes in panels:
        axes.set_ylabel(NAMES[data.metric])
    return figure, hover


def _caption(data: Costs) -> str:
    several = any(len(score.values) > 1 for score in data.scores.values())
    caption = "Dots are means over seeds, bars ± one standard deviation." if several else "Every dot is one run."
    caption += " Dashed line: Pareto front, the groups that no other beats in both cost and Dice."
    known = [key for key in COSTS if all(math.isfinite(cost.mean) for cost in data.costs[key].values())]
    same = [COSTS[key] + (" (to within 1 %)" if SAME[key] else "") for key in known if key not in data.differing]
    if same:
        caption += f" There is no panel for {' and '.join(same)}, the same in all groups."
    if len(data.strong) < len(data.scores):
        caption += f" {len(data.strong)} of {len(data.scores)} groups are in colour."
    return caption


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the Pareto front of (cost, Dice), the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, dice in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or dice > best[-1][1]:
            best.append((cost, dice))
    return best


def _draw_panel(axes: Axes, key: str, data: Costs) -> Points:
    costs = data.costs[key]
    unit = unit_of(key, [cost.mean for cost in costs.values()])
    places = {name: (costs[name].mean / unit.scale, score.mean) for name, score in data.scores.items()}
    bars = {name: (costs[name].deviation / unit.scale, score.deviation) for name, score in data.scores.items()}
    if best := front(place for place in places.values() if math.isfinite(place[0])):
        axes.step(*zip(*best, strict=True), where="post", color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1.8)
    weak = [name for name in places if not data.looks[name].strong]
    if many := len(weak) > MOST_GREY:
        at, ends = np.array([places[name] for name in weak]).T, np.nan_to_num([bars[name] for name in weak]).T
        drawn = axes.errorbar(at[0], at[1], ends[1], ends[0], color=OTHER, **GREY)
        for artist in drawn.get_children():
            artist.set_rasterized(True)
    marks = []
    for name, (x, y) in places.items():
        look = data.looks[name]
        xerr, yerr = np.nan_to_num(bars[name])
        if look.strong or not many:
            axes.errorbar(x, y, yerr, xerr, color=look.colour, **(STRONG if look.strong else GREY))
        score = f"{NAMES[data.metric]} {plus_minus(data.scores[name])}"
        marks.append(Mark(x, y, look.colour, [name, score, f"{COSTS[key]} {x:.3g} {unit.name}"]))
    axes.set_title(COSTS[key])
    axes.set_xlabel(unit.name)
    _limit_x(axes)
    return Points(axes, marks)


def _limit_x(axes: Axes) -> None:
    """Fit the x axis to what is drawn; where the largest cost is many times the smallest it is logarithmic."""
    low, high = axes.dataLim.intervalx
    if low > 0 and high > 12 * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.5, high * 1.5)
    else:
        pad = 0.12 * (high - low)
        axes.set_xlim(low - pad, high + pad)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.8g}"))


def _share_height(panels: Sequence[Axes]) -> None:
    low = min(axes.dataLim.y0 for axes in panels)
    high = max(axes.dataLim.y1 for axes in panels)
    pad = 0.08 * (high - low) or 0.01
    for axes in panels:
        axes.set_ylim(low - pad, high + pad)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _differs(key: str, costs: Iterable[Spread]) -> bool:
    known = [cost.mean for cost in costs if math.isfinite(cost.mean)]
    return len(known) > 1 and max(known) - min(known) > SAME[key] * max(map(abs, known))
