"""Test Dice against its costs (time to train, parameters, memory), with the Pareto front."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, end_labels, grid
from pets_seg.report.plotting.looks import MUTED, Look, ranked
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


def draw_cost(study: Study, looks: dict[str, Look]) -> Drawing | None:
    """Return the metric of the study against each cost that differs; None if there is one group, or none differs."""
    groups = [group for group in ranked(study) if math.isfinite(spread(group, study.metric).mean)]
    dice = {group.name: spread(group, study.metric) for group in groups}
    costs = {key: {group.name: spread(group, key) for group in groups} for key in COSTS}
    differing = [key for key in COSTS if _differs(key, costs[key].values())]
    if len(groups) < 2 or not differing:
        return None
    strong = [name for name in dice if looks[name].strong]
    figure = Figure((WIDTH, 2.45))
    right = 0.35 + widest(looks[name].label for name in strong)
    # A single panel over the whole width would be mostly empty.
    right += max(0.0, (WIDTH - 0.62 - right) * (1 - (0.3 + 0.35 * len(differing))))
    [panels] = grid(figure, 1, len(differing), (0.62, right, 0.42, 0.28), (0.25, 0))
    hover = [
        _draw_panel(axes, key, study.metric, dice, costs[key], looks)
        for axes, key in zip(panels, differing, strict=True)
    ]
    _share_height(panels)
    panels[0].set_ylabel(NAMES[study.metric])
    ends = {mark.lines[0]: (mark.x, mark.y) for mark in hover[-1].marks}
    end_labels(panels[-1], [(*ends[name], looks[name]) for name in strong])
    caption = (
        "Dots are means over seeds, bars ± one standard deviation. The step line joins the groups that no other beats"
        " in both cost and Dice."
    )
    same = [key for key in COSTS if key not in differing and all(math.isfinite(x.mean) for x in costs[key].values())]
    if same:
        names = [COSTS[key] + (" (to within 1 %)" if SAME[key] else "") for key in same]
        caption += f" There is no panel for {' and '.join(names)}, the same in all groups."
    if len(strong) < len(groups):
        caption += f" {len(strong)} of {len(groups)} groups are in colour."
    alt = f"{NAMES[study.metric]} against " + ", ".join(COSTS[key] for key in differing) + f" of {len(groups)} groups"
    return Drawing("cost", "What it costs", caption, alt, figure, hover)


def front(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the Pareto front of (cost, Dice), the cheapest first."""
    best: list[tuple[float, float]] = []
    for cost, dice in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or dice > best[-1][1]:
            best.append((cost, dice))
    return best


def _draw_panel(
    axes: Axes, key: str, metric: str, dice: dict[str, Spread], costs: dict[str, Spread], looks: dict[str, Look]
) -> Points:
    unit = unit_of(key, [cost.mean for cost in costs.values()])
    places = {name: (costs[name].mean / unit.scale, dice[name].mean) for name in dice}
    if best := front(place for place in places.values() if math.isfinite(place[0])):
        axes.step(*zip(*best, strict=True), where="post", color=MUTED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1.8)
    marks = []
    bars = {name: (costs[name].deviation / unit.scale, dice[name].deviation) for name in dice}
    weak = [name for name in reversed(places) if not looks[name].strong]
    many = len(weak) > MOST_GREY
    if many:
        at, ends = np.array([places[name] for name in weak]).T, np.nan_to_num([bars[name] for name in weak]).T
        drawn = axes.errorbar(at[0], at[1], ends[1], ends[0], color=looks[weak[0]].colour, **GREY)
        for artist in drawn.get_children():
            artist.set_rasterized(True)
    # The best are drawn last, over the others.
    for name, (x, y) in reversed(places.items()):
        look = looks[name]
        xerr, yerr = np.nan_to_num(bars[name])
        if look.strong or not many:
            style = STRONG if look.strong else GREY
            axes.errorbar(x, y, yerr, xerr, color=look.colour, **style)
        lines = [name, f"{NAMES[metric]} {plus_minus(dice[name])}", f"{COSTS[key]} {x:.3g} {unit.name}"]
        marks.append(Mark(x, y, look.colour, lines))
    axes.set_title(COSTS[key])
    axes.set_xlabel(unit.name)
    low, high = axes.dataLim.intervalx
    if low > 0 and high > 12 * low:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.5, high * 1.5)
    else:
        pad = 0.12 * (high - low)
        axes.set_xlim(low - pad, high + pad)
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.8g}"))
    return Points(axes, marks)


def _share_height(panels: Sequence[Axes]) -> None:
    low = min(axes.dataLim.y0 for axes in panels)
    high = max(axes.dataLim.y1 for axes in panels)
    pad = 0.08 * (high - low) or 0.01
    for axes in panels:
        axes.set_ylim(low - pad, high + pad)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)


def _differs(key: str, costs: Iterable[Spread]) -> bool:
    known = [cost.mean for cost in costs if math.isfinite(cost.mean)]
    return len(known) > 1 and max(known) - min(known) > SAME[key] * max(map(abs, known))
