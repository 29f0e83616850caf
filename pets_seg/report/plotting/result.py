"""The result of one run in a picture: its learning curves and six of its test images."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.errors import escaped
from pets_seg.evaluation.mask_contents import IN_SUMMARY, IN_WORDS, recorded
from pets_seg.report.plotting.drawing import add_axes, add_text
from pets_seg.report.plotting.looks import COLOURS, MUTED, STYLE
from pets_seg.report.plotting.masks import PREDICTED, UNCOUNTED, add_image, draw_legend, draw_outline
from pets_seg.report.plotting.widths import shortened
from pets_seg.report.study.examples import Example
from pets_seg.report.study.runs import Run

COLUMNS, ROWS = 3, 2
# Inches.
CELL, LEFT, BELOW, HEAD = 2.0, 3.5, 0.34, 0.52
# The least height of the Dice axis: smaller differences must not look large.
NARROWEST = 0.02


def choose_stems(run: Run) -> list[str]:
    """Return six test images of a run from the worst to the best, their ranks by Dice evenly spaced."""
    scores = run.images["test"]["dice"].sort_values(kind="stable")
    ranks = np.linspace(0, len(scores) - 1, min(COLUMNS * ROWS, len(scores))).round().astype(int)
    return [str(scores.index[rank]) for rank in ranks]


def draw_result(run: Run, examples: Sequence[Example]) -> Figure:
    """Return the picture of a finished run; `examples` are the images of `choose_stems` with the run's masks."""
    with mpl.rc_context(STYLE):
        height = HEAD + ROWS * (CELL + BELOW) + 0.1
        figure = Figure((LEFT + COLUMNS * CELL + 0.05, height))
        add_text(figure, 0.12, height - 0.2, escaped(run.name), 9, fontweight="bold", va="center")
        scores = f"test Dice {run.number('test_dice'):.4f}, IoU {run.number('test_iou'):.4f}"
        for split in IN_SUMMARY:
            if (held := recorded(run.summary, split)) and not held.has_pet:
                scores += f"; no pet in the {IN_WORDS[split]}masks"
        add_text(figure, 0.12, height - 0.38, scores, 8, va="center", color=MUTED)
        tall = (height - HEAD - 1.1) / 2
        _draw_curves(run, *(add_axes(figure, 0.5, bottom, LEFT - 0.85, tall) for bottom in (0.4, 0.95 + tall)))
        for index, example in enumerate(examples):
            row, column = divmod(index, COLUMNS)
            bottom = height - HEAD - (row + 1) * (CELL + BELOW) + BELOW
            axes = add_image(figure, LEFT + column * CELL, bottom, CELL - 0.06, example)
            draw_outline(axes, example.truth == 255, UNCOUNTED)
            draw_outline(axes, example.predicted[run.name], PREDICTED)
            text = f"{example.kind + ': ' if example.kind else ''}Dice {example.dice[run.name]:.3f}"
            axes.text(0, -0.025, text, transform=axes.transAxes, fontsize=7.5, va="top")
            stem = shortened(escaped(example.stem), CELL - 0.1, 6)
            axes.text(0, -0.1, stem, transform=axes.transAxes, fontsize=6, va="top", color=MUTED)
        draw_legend(figure, LEFT, examples)
    return figure


def _draw_curves(run: Run, losses: Axes, scores: Axes) -> None:
    epochs = run.metrics["epoch"].to_numpy()
    for column, colour, label in (("train/loss", MUTED, "training"), ("val/loss", COLOURS[0], "validation")):
        losses.plot(epochs, run.metrics[column], color=colour, marker=".", markersize=3, linewidth=1.1, label=label)
    losses.set_title("loss")
    losses.legend(frameon=False, fontsize=7)
    losses.set_xlabel("epoch")
    dice = run.metrics["val/dice"].to_numpy()
    [best] = np.flatnonzero(epochs == run.number("best_epoch"))
    scores.plot(epochs, dice, color=COLOURS[0], marker=".", markersize=3, linewidth=1.1)
    scores.plot(epochs[best], dice[best], color=COLOURS[0], marker="o", markersize=5)
    scores.set_title(f"validation Dice; best {dice[best]:.4f} in epoch {epochs[best]:.0f}")
    low, high = scores.get_ylim()
    if high - low < NARROWEST:
        scores.set_ylim(max(-0.001, low - NARROWEST / 2), low + NARROWEST)
    for axes in (losses, scores):
        # Unlike this format, the default may write a power of ten above the axis, which pushes its title away.
        axes.yaxis.set_major_formatter("{x:.4g}")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        # A single epoch is a point, which needs room on either side.
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5) if len(epochs) == 1 else axes.margins(x=0.03)
