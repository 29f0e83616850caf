"""What one run comes to, in a picture: its learning curves and six of its test images."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import STYLE
from pets_seg.report.plotting.looks import COLOURS, MUTED
from pets_seg.report.plotting.masks import PREDICTED, TRUTH, UNCOUNTED, draw_legend, draw_outline
from pets_seg.report.plotting.widths import shortened
from pets_seg.report.study.examples import Example
from pets_seg.report.study.runs import Run

COLUMNS, ROWS = 3, 2
# In inches.
CELL, LEFT, BELOW, HEAD = 2.0, 3.5, 0.34, 0.52
# In Dice: what differs by less is not drawn as if it were much.
NARROWEST = 0.02


def choose_stems(run: Run) -> list[str]:
    """Return six test images of a run from the worst to the best, their ranks by Dice evenly spaced."""
    scores = run.images["test"]["dice"].sort_values(kind="stable")
    ranks = np.linspace(0, len(scores) - 1, min(COLUMNS * ROWS, len(scores))).round().astype(int)
    return [str(scores.index[rank]) for rank in ranks]


def draw_result(run: Run, examples: Sequence[Example]) -> Figure:
    """Return the picture of a finished run; `examples` are the images of `choose_stems` with the run's masks."""
    with mpl.rc_context(STYLE):
        figure = Figure((LEFT + COLUMNS * CELL + 0.05, HEAD + ROWS * (CELL + BELOW) + 0.1))
        width, height = figure.get_size_inches()
        dice = run.number("test_dice")
        figure.text(0.12 / width, 1 - 0.2 / height, escaped(run.name), fontsize=9, fontweight="bold", va="center")
        figure.text(
            0.12 / width, 1 - 0.38 / height, f"test Dice {dice:.4f}, IoU {run.number('test_iou'):.4f}",
            fontsize=8, va="center", color=MUTED,
        )  # fmt: skip
        tall = (height - HEAD - 1.1) / 2
        losses, scores = (
            figure.add_axes((0.5 / width, bottom / height, (LEFT - 0.85) / width, tall / height))
            for bottom in (0.4, 0.4 + tall + 0.55)
        )
        _draw_curves(run, losses, scores)
        for index, example in enumerate(examples):
            row, column = divmod(index, COLUMNS)
            left, bottom = LEFT + column * CELL, height - HEAD - (row + 1) * (CELL + BELOW) + BELOW
            axes = figure.add_axes((left / width, bottom / height, (CELL - 0.06) / width, (CELL - 0.06) / height))
            _draw_image(axes, example, run)
        draw_legend(figure, LEFT, any((example.truth == 255).any() for example in examples))
    return figure


def _draw_curves(run: Run, losses: Axes, scores: Axes) -> None:
    epochs = run.metrics["epoch"].to_numpy()
    for column, colour, label in (("train/loss", MUTED, "training"), ("val/loss", COLOURS[0], "validation")):
        losses.plot(epochs, run.metrics[column], color=colour, marker=".", markersize=3, linewidth=1.1, label=label)
    losses.set_title("loss")
    losses.legend(frameon=False, fontsize=7)
    losses.set_xlabel("epoch")
    dice = run.metrics["val/dice"].to_numpy()
    best = int(np.nanargmax(dice))
    scores.plot(epochs, dice, color=COLOURS[0], marker=".", markersize=3, linewidth=1.1)
    scores.plot(epochs[best], dice[best], color=COLOURS[0], marker="o", markersize=5)
    scores.set_title(f"validation Dice; best {dice[best]:.4f} in epoch {epochs[best]:.0f}")
    low, high = scores.get_ylim()
    if high - low < NARROWEST:
        scores.set_ylim(max(-0.001, low - NARROWEST / 2), low + NARROWEST)
    for axes in (losses, scores):
        # A power of ten above the axis would push its title away.
        axes.yaxis.set_major_formatter("{x:.4g}")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        # One epoch is a point: it needs room on either side.
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5) if len(epochs) == 1 else axes.margins(x=0.03)


def _draw_image(axes: Axes, example: Example, run: Run) -> None:
    axes.set_axis_off()
    axes.imshow(example.image, interpolation="lanczos" if len(example.image) < 256 else "antialiased")
    draw_outline(axes, example.truth == 1, TRUTH)
    draw_outline(axes, example.truth == 255, UNCOUNTED, (0, (1.5, 1.5)))
    draw_outline(axes, example.predicted[run.name], PREDICTED)
    text = f"{example.kind + ': ' if example.kind else ''}Dice {example.dice[run.name]:.3f}"
    axes.text(0, -0.025, text, transform=axes.transAxes, fontsize=7.5, va="top")
    stem = shortened(escaped(example.stem), CELL - 0.1, 6)
    axes.text(0, -0.1, stem, transform=axes.transAxes, fontsize=6, va="top", color=MUTED)
