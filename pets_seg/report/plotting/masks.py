"""The same test images under several groups: the outline of each predicted mask, beside the truth."""

import re
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import WIDTH, Drawing, add_axes, add_text
from pets_seg.report.plotting.looks import MUTED, Dash, Look, ranked
from pets_seg.report.plotting.widths import SMALL, shortened, text_width
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study

# Colour and dash on photographs: every kind of colour blindness tells them apart, and from fur, grass and carpet.
TRUTH: tuple[str, Dash] = ("#ffd21f", "-")
PREDICTED: tuple[str, Dash] = ("#19c8ff", "-")
UNCOUNTED: tuple[str, Dash] = ("#fefefe", (0, (1.5, 1.5)))
# Inches: of a cell at most, of the column and the row of headings, and of the line beneath an image.
CELL, SIDE, HEAD, BELOW = 1.4, 0.95, 0.62, 0.16
HEAD_SIZE = 6.5


def draw_masks(study: Study, looks: dict[str, Look], examples: Sequence[Example]) -> Drawing | None:
    """Return a row for each example: first the truth, then its groups, the baseline before those of the best Dice."""
    names = [group.name for group in ranked(study) if examples and group.name in examples[0].predicted]
    if not names:
        return None
    cell = min(CELL, (WIDTH - SIDE) / (1 + len(names)))
    side = cell - 0.05
    height = HEAD + len(examples) * (cell + BELOW) + 0.05
    figure = Figure((SIDE + cell * (1 + len(names)), height))
    for row, example in enumerate(examples):
        bottom = height - HEAD - (row + 1) * (cell + BELOW) + BELOW
        origin = f"{shortened(escaped(example.stem), SIDE - 0.12, 5.5)}\nseed {example.seed}"
        add_text(figure, 0.06, bottom + cell, textwrap.fill(example.kind, 15), 7.5, va="top", fontweight="bold")
        add_text(figure, 0.06, bottom, origin, 5.5, va="bottom", color=MUTED)
        draw_outline(add_image(figure, SIDE, bottom, side, example), example.truth == 255, UNCOUNTED)
        best = max(example.dice[name] for name in names)
        for column, name in enumerate(names, start=1):
            axes = add_image(figure, SIDE + column * cell, bottom, side, example)
            draw_outline(axes, example.predicted[name], PREDICTED)
            place = SIDE + column * cell + side / 2, bottom - 0.03 * side
            weight = "bold" if example.dice[name] == best else "normal"
            add_text(figure, *place, f"{example.dice[name]:.3f}", SMALL, ha="center", va="top", fontweight=weight)
    for column, label in enumerate(["truth", *(looks[name].label for name in names)]):
        x = SIDE + column * cell + side / 2
        text = "\n".join(_broken(label, cell - 0.08))
        add_text(figure, x, height - HEAD + 0.06, text, HEAD_SIZE, ha="center", va="baseline", linespacing=1.05)
    draw_legend(figure, SIDE, examples)
    kinds = ", ".join(dict.fromkeys(example.kind for example in examples))
    caption = f"Under each image stands its Dice, the best in bold. The rows are: {kinds}."
    if len(names) < len(study.finished):
        caption += f" Shown are the {len(names)} of {len(study.finished)} groups for which masks were predicted."
    alt = "Test images with the outlines of true and predicted masks. " + "; ".join(
        f"{example.kind} {example.stem}: " + ", ".join(f"{name} {dice:.3f}" for name, dice in example.dice.items())
        for example in examples
    )
    return Drawing("masks", "The same images under every group", caption, alt, figure, pictures=True)


def _broken(label: str, width: float) -> list[str]:
    """Return at most three lines that fit `width` inches, broken after spaces and underscores where that is enough."""
    lines = [""]
    for word in re.findall(r"[^ _]*[ _]?", label):
        if lines[-1] and text_width((lines[-1] + word).strip(), HEAD_SIZE) > width:
            lines.append("")
        for sign in word:
            if text_width(lines[-1] + sign, HEAD_SIZE) > width and sign != " ":
                lines.append("")
            lines[-1] += sign
    return [line.strip() for line in lines[:3]]


def draw_legend(figure: Figure, start: float, examples: Sequence[Example]) -> None:
    """Draw the legend on a dark strip, for its colours are made for photographs; `start` inches from the left edge.

    Where it does not fit there it starts at the edge.
    """
    width, height = figure.get_size_inches()
    entries = {"true mask": TRUTH, "predicted mask": PREDICTED}
    if any((example.truth == 255).any() for example in examples):
        entries["not counted"] = UNCOUNTED
    inches = 0.1 + sum(0.5 + text_width(text, 6.5) for text in entries)
    left = start if inches + start < width else 0.06
    frame = {"facecolor": "#20262c", "xlim": (0, inches), "ylim": (0, 1), "xticks": [], "yticks": []}
    axes = add_axes(figure, left, height - 0.2, inches, 0.16, **frame)
    axes.spines[:].set_visible(False)
    x = 0.1
    for text, (colour, dash) in entries.items():
        axes.plot([x, x + 0.25], [0.5, 0.5], color=colour, linestyle=dash, linewidth=1.4)
        axes.text(x + 0.3, 0.46, text, fontsize=6.5, color="#fdfdfd", va="center")
        x += 0.5 + text_width(text, 6.5)


def add_image(figure: Figure, left: float, bottom: float, side: float, example: Example) -> Axes:
    """Add an example's image with the outline of its true mask; the place is in inches."""
    axes = add_axes(figure, left, bottom, side, side)
    axes.set_axis_off()
    axes.imshow(example.image, interpolation="lanczos" if len(example.image) < 256 else "antialiased")
    draw_outline(axes, example.truth == 1, TRUTH)
    return axes


def draw_outline(axes: Axes, mask: np.ndarray, style: tuple[str, Dash]) -> None:
    """Draw the outline of a mask (S,S) bool over its image; an empty or a full one has none."""
    if not 0 < mask.sum() < mask.size:
        return
    # The padding closes the outline where a mask touches the border.
    padded = np.pad(mask.astype(float), 1)
    places = np.arange(-1, len(mask) + 1).clip(-0.45, len(mask) - 0.55)
    shadow = [patheffects.withStroke(linewidth=1.8, foreground="#00000088")]
    contour = axes.contour(places, places, padded, levels=[0.5])
    contour.remove()
    colour, dash = style
    for line in contour.allsegs[0]:
        # Unlike a contour, a line is simplified to what can be seen.
        axes.plot(*line.T, color=colour, linewidth=0.9, linestyle=dash, path_effects=shadow)
    axes.set_xlim(-0.5, len(mask) - 0.5)
    axes.set_ylim(len(mask) - 0.5, -0.5)
