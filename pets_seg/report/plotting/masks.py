"""The same test images under several groups: the outline of each predicted mask, beside the truth."""

import re
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing
from pets_seg.report.plotting.looks import MUTED, Look, chosen, ranked
from pets_seg.report.plotting.widths import SMALL, shortened, text_width
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study

MOST_GROUPS = 6
# On photographs: apart from each other for all kinds of colour blindness, and from fur, grass and carpet.
TRUTH, PREDICTED, UNCOUNTED = "#ffd21f", "#19c8ff", "#fefefe"
CELL = 1.4
HEAD = 6.5


def draw_masks(study: Study, looks: dict[str, Look], examples: Sequence[Example]) -> Drawing | None:
    """Return the strip: a row an example, first the truth, then the baseline and the groups of the best test Dice."""
    groups = [group.name for group in ranked(study) if any(group.name in example.predicted for example in examples)]
    names = groups[:MOST_GROUPS]
    if not names:
        return None
    side = 0.95
    cell = min(CELL, (WIDTH - side) / (1 + len(names)))
    below, head = 0.16, 0.62
    figure = Figure((side + cell * (1 + len(names)), head + len(examples) * (cell + below) + 0.05))
    width, height = figure.get_size_inches()
    for row, example in enumerate(examples):
        bottom = height - head - (row + 1) * (cell + below) + below
        kind = [example.kind, shortened(escaped(example.stem), side - 0.12, 5.5), f"seed {example.seed}"]
        figure.text(
            0.06 / width, (bottom + cell) / height, textwrap.fill(kind[0], 15), fontsize=7.5, va="top",
            fontweight="bold",
        )  # fmt: skip
        figure.text(0.06 / width, bottom / height, "\n".join(kind[1:]), fontsize=5.5, va="bottom", color=MUTED)
        shown = [name for name in names if name in example.dice]
        for column, name in enumerate([None, *names]):
            place = (side + column * cell) / width, bottom / height, (cell - 0.05) / width, (cell - 0.05) / height
            axes = figure.add_axes(place)
            axes.set_axis_off()
            axes.imshow(example.image, interpolation="lanczos" if len(example.image) < 256 else "antialiased")
            draw_outline(axes, example.truth == 1, TRUTH)
            if name is None:
                draw_outline(axes, example.truth == 255, UNCOUNTED, (0, (1.5, 1.5)))
            elif name in example.predicted:
                draw_outline(axes, example.predicted[name], PREDICTED)
                text = f"{example.dice[name]:.3f}" if name in example.dice else ""
                axes.text(
                    0.5, -0.03, text, transform=axes.transAxes, fontsize=SMALL, ha="center", va="top",
                    fontweight="bold" if text and example.dice[name] == max(map(example.dice.get, shown)) else "normal",
                )  # fmt: skip
    for column, label in enumerate(["truth", *(looks[name].label for name in names)]):
        lines = _broken(label, cell - 0.08)
        figure.text(
            (side + (column + 0.5) * cell - 0.025) / width, 1 - (head - 0.06) / height, "\n".join(lines),
            fontsize=HEAD, ha="center", va="baseline", linespacing=1.05,
        )  # fmt: skip
    draw_legend(figure, side, any((example.truth == 255).any() for example in examples))
    kinds = ", ".join(dict.fromkeys(example.kind for example in examples))
    caption = f"Under each image stands its Dice, the best in bold. The rows are: {kinds}."
    finished = sum(bool(group.finished) for group in study.groups)
    if len(names) < len(groups):
        caption += f" Of {finished} groups {chosen(study, names)}"
        caption += " are shown." if len(groups) == finished else " for which masks were predicted are shown."
    elif len(names) < finished:
        caption += f" Shown are the {len(names)} of {finished} groups for which masks were predicted."
    alt = "Test images with the outlines of true and predicted masks. " + "; ".join(
        f"{example.kind} {example.stem}: " + ", ".join(f"{name} {dice:.3f}" for name, dice in example.dice.items())
        for example in examples
    )
    return Drawing("masks", "The same images under every group", caption, alt, figure, pictures=True)


def _broken(label: str, width: float) -> list[str]:
    """Return at most three lines that fit `width` inches, broken after spaces and underscores where that is enough."""
    lines = [""]
    for word in re.findall(r"[^ _]*[ _]?", label):
        if lines[-1] and text_width((lines[-1] + word).strip(), HEAD) > width:
            lines.append("")
        for sign in word:
            if text_width(lines[-1] + sign, HEAD) > width and sign != " ":
                lines.append("")
            lines[-1] += sign
    return [line.strip() for line in lines[:3]]


def draw_legend(figure: Figure, start: float, uncounted: bool) -> None:
    """Draw the legend on a dark strip, for its colours are made for photographs; `start` inches from the left edge.

    Where it does not fit there it starts at the edge.
    """
    width, height = figure.get_size_inches()
    entries = [("true mask", TRUTH, "-"), ("predicted mask", PREDICTED, "-")]
    if uncounted:
        entries.append(("not counted", UNCOUNTED, (0, (1.5, 1.5))))
    inches = 0.1 + sum(0.5 + text_width(text, 6.5) for text, *_ in entries)
    left = (start if inches + start < width else 0.06) / width
    axes = figure.add_axes((left, 1 - 0.2 / height, inches / width, 0.16 / height))
    axes.set_xlim(0, inches)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_facecolor("#20262c")
    for spine in axes.spines.values():
        spine.set_visible(False)
    x = 0.1
    for text, colour, dash in entries:
        axes.plot([x, x + 0.25], [0.5, 0.5], color=colour, linestyle=dash, linewidth=1.4)
        axes.text(x + 0.3, 0.46, text, fontsize=6.5, color="#fdfdfd", va="center")
        x += 0.5 + text_width(text, 6.5)


def draw_outline(axes: Axes, mask: np.ndarray, colour: str, dash: str | tuple = "-") -> None:
    """Draw the outline of a mask (S,S) bool over its image; of an empty or a full one there is none."""
    if not 0 < mask.sum() < mask.size:
        return
    # A mask that touches the border is closed there.
    padded = np.pad(mask.astype(float), 1)
    places = np.arange(-1, len(mask) + 1).clip(-0.45, len(mask) - 0.55)
    shadow = [patheffects.withStroke(linewidth=1.8, foreground="#00000088")]
    contour = axes.contour(places, places, padded, levels=[0.5])
    contour.remove()
    for line in contour.allsegs[0]:
        # Unlike a contour, a line is simplified to what can be seen.
        axes.plot(*line.T, color=colour, linewidth=0.9, linestyle=dash, path_effects=shadow)
    axes.set_xlim(-0.5, len(mask) - 0.5)
    axes.set_ylim(len(mask) - 0.5, -0.5)
