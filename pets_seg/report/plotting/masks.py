"""The same test images under several groups: the outline of each predicted mask, beside the truth."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from contourpy import contour_generator
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pets_seg.errors import escaped
from pets_seg.report.plotting.drawing import EDGE, WIDTH, Drawing, add_axes, add_text
from pets_seg.report.plotting.looks import MUTED, Dash, Look
from pets_seg.report.plotting.widths import SMALL, shortened, text_width
from pets_seg.report.study.examples import Example
from pets_seg.report.study.study import Study

# Colour and dash on photographs: every kind of colour blindness tells them apart, and from fur, grass and carpet.
TRUTH: tuple[str, Dash] = ("#ffd21f", "-")
PREDICTED: tuple[str, Dash] = ("#19c8ff", "-")
UNCOUNTED: tuple[str, Dash] = ("#fefefe", (0, (1.5, 1.5)))
# Inches: of a cell at most, of the column and the row of headings, and of the line beneath an image.
CELL, SIDE, HEAD, BELOW = 1.4, 0.95, 0.62, 0.16
# Of the narrow figure: cells in a row at most, and inches of the heading of an example.
COLUMNS, TITLE = 5, 0.2
# A narrow figure that would be taller than a page has room for shows one example of each kind.
TALLEST = 9.0
HEAD_SIZE = 6.5


def draw_masks(
    study: Study, looks: dict[str, Look], examples: Sequence[Example], width: float = WIDTH
) -> Drawing | None:
    """Return the same images under each group, beside the truth; None without any."""
    names = [group.name for group in study.finished if examples and group.name in examples[0].predicted]
    if not names:
        return None
    groups = [(name, looks[name].label) for name in names]
    shown, draw = examples, _draw_wide
    if width < WIDTH:
        draw = _draw_narrow
        if _height(groups, len(examples), width) > TALLEST:
            shown = [*{example.kind: example for example in reversed(examples)}.values()][::-1]
    caption = f"Under each image stands its Dice, the best in bold. {_said(shown)}"
    if len(shown) < len(examples):
        caption += " The wide figure shows more of each."
    if len(names) < len(study.finished):
        caption += f" Shown are the {len(names)} of {len(study.finished)} groups for which masks were predicted."
    figure = draw(shown, groups, width)
    return Drawing("masks", "The same images under every group", caption, _alt(shown), figure, pictures=True)


def _said(shown: Sequence[Example]) -> str:
    return f"The images are: {', '.join(dict.fromkeys(example.kind for example in shown))}."


def _alt(shown: Sequence[Example]) -> str:
    return "Test images with the outlines of true and predicted masks. " + "; ".join(
        f"{example.kind} {example.stem}: " + ", ".join(f"{name} {dice:.3f}" for name, dice in example.dice.items())
        for example in shown
    )


def _draw_wide(examples: Sequence[Example], groups: Sequence[tuple[str, str]], width: float) -> Figure:
    """Draw a row for each example and a column for the truth and each group, given by name and label."""
    cell = min(CELL, (width - SIDE) / (1 + len(groups)))
    side = cell - 0.05
    height = HEAD + len(examples) * (cell + BELOW) + 0.05
    figure = Figure((width, height))
    for row, example in enumerate(examples):
        bottom = height - HEAD - (row + 1) * (cell + BELOW) + BELOW
        origin = f"{shortened(escaped(example.stem), SIDE - 0.12, 6)}\nseed {example.seed}"
        add_text(figure, 0.06, bottom + cell, textwrap.fill(example.kind, 15), 7.5, va="top", fontweight="bold")
        add_text(figure, 0.06, bottom, origin, 6, va="bottom", color=MUTED)
        draw_outline(add_image(figure, SIDE, bottom, side, example), example.truth == 255, UNCOUNTED)
        for column, (name, _) in enumerate(groups, start=1):
            _draw_cell(figure, SIDE + column * cell, bottom, side, example, name)
    for column, label in enumerate(["truth", *(label for _, label in groups)]):
        x = SIDE + column * cell + side / 2
        text = "\n".join(_broken(label, cell - 0.08))
        add_text(figure, x, height - HEAD + 0.06, text, HEAD_SIZE, ha="center", va="baseline", linespacing=1.05)
    draw_legend(figure, SIDE, examples)
    return figure


def _draw_narrow(examples: Sequence[Example], groups: Sequence[tuple[str, str]], width: float) -> Figure:
    """Draw the examples one beneath the other, each with as many rows of cells as it takes."""
    height = _height(groups, len(examples), width)
    figure = Figure((width, height))
    rows, columns, cell, above = _cells(groups, width)
    side, top = cell - 0.05, height - 0.3
    for example in examples:
        add_text(figure, EDGE, top - 0.05, example.kind, 7.5, va="top", fontweight="bold")
        start = EDGE + text_width(example.kind, 7.5) * 1.2 + 0.1
        stem = shortened(escaped(example.stem), width - start - 0.8, 6)
        add_text(figure, start, top - 0.06, f"{stem}, seed {example.seed}", 6, va="top", color=MUTED)
        top -= TITLE
        for index, (name, label) in enumerate([("", "truth"), *groups]):
            row, column = divmod(index, columns)
            left, bottom = EDGE + column * cell, top - (row + 1) * (above + cell + BELOW) + BELOW
            text = "\n".join(_broken(label, side))
            add_text(figure, left + side / 2, bottom + side + 0.035, text, HEAD_SIZE, ha="center", linespacing=1.0)
            if name:
                _draw_cell(figure, left, bottom, side, example, name)
            else:
                draw_outline(add_image(figure, left, bottom, side, example), example.truth == 255, UNCOUNTED)
        top -= rows * (above + cell + BELOW) + 0.05
    draw_legend(figure, EDGE, examples)
    return figure


def _height(groups: Sequence[tuple[str, str]], examples: int, width: float) -> float:
    """Return the height of the narrow figure."""
    rows, _, cell, above = _cells(groups, width)
    return 0.35 + examples * (TITLE + 0.05 + rows * (above + cell + BELOW))


def _cells(groups: Sequence[tuple[str, str]], width: float) -> tuple[int, int, float, float]:
    """Return rows, columns and width of the cells of an example in the narrow figure, and the room above each."""
    rows = -(-(1 + len(groups)) // COLUMNS)
    columns = max(3, -(-(1 + len(groups)) // rows))
    cell = (width - 2 * EDGE) / columns
    lines = max(len(_broken(label, cell - 0.05)) for _, label in groups)
    return rows, columns, cell, 0.04 + 0.1 * lines


def _draw_cell(figure: Figure, left: float, bottom: float, side: float, example: Example, name: str) -> None:
    """Draw an image with what a group predicts, and its Dice beneath."""
    draw_outline(add_image(figure, left, bottom, side, example), example.predicted[name], PREDICTED)
    # Rounded as it is written, so that equal numbers look equal.
    best = max(round(dice, 3) for dice in example.dice.values())
    weight = "bold" if round(example.dice[name], 3) == best else "normal"
    place = left + side / 2, bottom - 0.03 * side
    add_text(figure, *place, f"{example.dice[name]:.3f}", SMALL, ha="center", va="top", fontweight=weight)


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
    colour, dash = style
    lines: Any = contour_generator(places, places, padded).lines(0.5)
    for line in lines:
        axes.plot(*np.transpose(line), color=colour, linewidth=0.9, linestyle=dash, path_effects=shadow)
    axes.set_xlim(-0.5, len(mask) - 0.5)
    axes.set_ylim(len(mask) - 0.5, -0.5)
