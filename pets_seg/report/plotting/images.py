"""The distribution of the Dice of single test images."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.report.plotting.drawing import WIDTH, Drawing, Mark, Points, add_axes, write_beside
from pets_seg.report.plotting.looks import INK, MUTED, OTHER, Look, best_of, chosen
from pets_seg.report.plotting.widths import LABEL, widest
from pets_seg.report.study.groups import Group
from pets_seg.report.study.study import Study

MOST_ROWS = 16
# Inches: of a row, and of the columns right of the axes.
ROW, RIGHT = 0.42, 1.1
# Bins of the density, and the width in Dice over which it is smoothed.
BINS, BANDWIDTH = 200, 0.02
LOW = 0.5


def draw_images(study: Study, looks: dict[str, Look], width: float = WIDTH) -> Drawing | None:
    """Return a row for each group: the density of its images' Dice (means over seeds), with quartiles and mean."""
    every = {group: scores for group in study.finished if len(scores := image_scores(group))}
    if not every:
        return None
    firsts = [group for group in every if group in study.baselines.values()][:MOST_ROWS]
    best = best_of(study, [group for group in every if group not in firsts], MOST_ROWS - len(firsts))
    shown = {group.name: every[group] for group in every if group in {*firsts, *best}}
    caption = _caption(study, shown, len(every))
    alt = f"Dice of single test images, mean and share under {LOW}: " + "; ".join(
        f"{looks[name].label} {scores.mean():.4f}, {_share(scores)}" for name, scores in shown.items()
    )
    figure, points = _draw(shown, looks, width)
    return Drawing("images", "Test images one by one", caption, alt, figure, [points])


def _draw(shown: dict[str, np.ndarray], looks: dict[str, Look], width: float) -> tuple[Figure, Points]:
    left = 0.2 + widest((looks[name].label for name in shown), LABEL)
    tall = ROW * len(shown)
    figure = Figure((width, tall + 0.6))
    axes = add_axes(figure, left, 0.45, width - left - RIGHT, tall + 0.05)
    lowest = min(np.quantile(scores, 0.005) for scores in shown.values())
    axes.set_xlim(max(0.0, min(0.9, np.floor(lowest * 10 - 0.5) / 10)), 1.0)
    axes.set_ylim(len(shown) - 0.7, -0.9)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(10 if width >= WIDTH else 4, steps=[1, 2, 2.5, 5, 10]))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Dice of a test image")
    for gap, head in ((0.08, "mean"), (0.55, f"under {LOW}")):
        write_beside(axes, -0.65, head, gap, color=MUTED, va="baseline")
    densities = {name: _density(scores) for name, scores in shown.items()}
    highest = max(density.max() for density in densities.values())
    marks = []
    for row, (name, scores) in enumerate(shown.items()):
        look = looks[name]
        _draw_row(axes, row, scores, densities[name] / highest, look.colour if look.strong else OTHER)
        write_beside(axes, row, look.label, -0.08, LABEL)
        write_beside(axes, row, f"{scores.mean():.4f}", 0.08)
        write_beside(axes, row, _share(scores), 0.55)
        quantiles = np.quantile(scores, [0.05, 0.25, 0.5, 0.75])
        lines = [name, f"{len(scores)} images, mean {scores.mean():.4f}"]
        lines.append("5, 25, 50, 75 % below " + ", ".join(f"{value:.3f}" for value in quantiles))
        marks.append(Mark(float(quantiles[2]), row, look.colour, lines))
    return figure, Points(axes, marks)


def _caption(study: Study, shown: dict[str, np.ndarray], total: int) -> str:
    several = any(len(group.finished) > 1 for group in study.finished)
    caption = (
        f"A hill is the density of the images' Dice{' (of each its mean over seeds)' if several else ''}, the bar"
        " beneath it their middle half, the gap in the bar the median, the diamond the mean; the line leaves out the"
        f" 5 % at either end. On the right stand the mean and the share of images under {LOW}."
    )
    if len(shown) < total:
        caption += f" Of {total} groups {chosen(study, list(shown))} are shown."
    return caption


def image_scores(group: Group) -> np.ndarray:
    """Return the mean Dice over the group's seeds of each test image that all have; empty without any."""
    tables = [run.images["test"]["dice"] for run in group.finished if "test" in run.images]
    if not tables:
        return np.zeros(0)
    scores = pd.concat(tables, axis=1, join="inner").mean(axis=1, skipna=False).to_numpy(dtype=float)
    # Values beyond 0 and 1 come from a damaged file.
    return np.clip(scores[np.isfinite(scores)], 0.0, 1.0)


def _draw_row(axes: Axes, row: int, scores: np.ndarray, density: np.ndarray, colour: str) -> None:
    # Each value of the density is for the middle of its bin.
    x = (np.arange(BINS) + 0.5) / BINS
    axes.fill_between(x, row - 0.05 - 0.72 * density, row - 0.05, color=colour, alpha=0.3, linewidth=0)
    axes.plot(x, row - 0.05 - 0.72 * density, color=colour, linewidth=0.7)
    low, first, middle, third, high = np.quantile(scores, [0.05, 0.25, 0.5, 0.75, 0.95])
    axes.plot([low, high], [row + 0.1, row + 0.1], color=colour, linewidth=0.8)
    for start, end in ((first, middle), (middle, third)):
        axes.plot([start, end], [row + 0.1, row + 0.1], color=colour, linewidth=4, solid_capstyle="butt")
    axes.plot([middle, middle], [row + 0.02, row + 0.18], color="white", linewidth=1.2)
    axes.plot(scores.mean(), row + 0.1, "D", color=INK, markersize=3.2, markeredgecolor="white", markeredgewidth=0.5)


def _density(scores: np.ndarray) -> np.ndarray:
    counts, edges = np.histogram(scores, bins=BINS, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    kernel = np.exp(-0.5 * ((middles[:, None] - middles[None]) / BANDWIDTH) ** 2)
    # Near 0 and 1 the kernel is cut off; all of an image's weight stays inside.
    kernel /= kernel.sum(axis=0)
    return kernel @ counts / max(counts.sum(), 1)


def _share(scores: np.ndarray) -> str:
    return f"{100 * (scores < LOW).mean():.1f} %"
