"""task=preview: a picture of what an aug option does to images and masks."""

import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from omegaconf import DictConfig

from pets_seg.augment import Augment, check_operations
from pets_seg.command.own_masks import tell_of_masks
from pets_seg.config.checks import check
from pets_seg.config.identity import identity
from pets_seg.config.schema import IGNORED
from pets_seg.data import Batches, ensure_decoded, open_dataset
from pets_seg.machine.files import write_whole
from pets_seg.machine.seeding import derive_seed
from pets_seg.report.plotting.masks import TRUTH, UNCOUNTED, draw_outline

IMAGES = 4
DRAWS = 5
# Copies of an image that are tried at once, and how often at most, until DRAWS of them were drawn.
AT_ONCE = 8
ROUNDS = 200
CELL_INCHES = 1.3
LINE_INCHES = 0.15


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, operations that cannot be used, or images that are not there."""
    config = check(cfg)
    check_operations(config["aug"]["operations"], config["data"]["size"])
    _, index = ensure_decoded(config["data"], needed=("train",))
    index.refuse_unused_range()
    tell_of_masks(index, config["data"], overrides, look=False)


def run(cfg: DictConfig) -> float:
    """Write runs/<name>/preview/<aug>-s<seed>-<hash>.png, print its path, and return the number of pictures."""
    config = check(cfg)
    data, seed, aug = config["data"], config["seed"], config["aug"]
    train = open_dataset(data, needed=("train",)).train
    chosen = torch.linspace(0, len(train) - 1, min(IMAGES, len(train))).long()
    images, masks = Batches(train, torch.device("cpu"), data["boundary"]).take(chosen)
    augment = Augment(aug["operations"], keep_original=True)
    rows = [
        [(image, mask), *draw(augment, image, mask, derive_seed(seed, index))]
        for index, (image, mask) in enumerate(zip(images, masks, strict=True))
    ]
    settings = {group: identity(config)[group] for group in ("aug", "data")}
    settings["aug"].pop("keep_original", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    path = Path("runs") / config["name"] / "preview" / f"{aug['name']}-s{seed}-{digest}.png"
    figure = draw_figure(rows, f"aug={aug['name']}", describe(settings["aug"]["operations"]))
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=220))
    print(path)
    return 1.0


def draw(
    augment: Augment, image: torch.Tensor, mask: torch.Tensor, seed: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return DRAWS augmented copies of an image (3,H,W) and its mask (H,W), of those that were drawn.

    Where too few are drawn, the image itself stands in.
    """
    drawn: list[tuple[torch.Tensor, torch.Tensor]] = []
    for attempt in range(ROUNDS if augment.steps else 0):
        batch = image.repeat(AT_ONCE, 1, 1, 1), mask.repeat(AT_ONCE, 1, 1)
        # With keep_original the batch comes first, then the copies that were drawn.
        images, masks = augment(*batch, derive_seed(seed, attempt))
        drawn += zip(images[AT_ONCE:], masks[AT_ONCE:], strict=True)
        if len(drawn) >= DRAWS:
            break
    return (drawn + [(image, mask)] * DRAWS)[:DRAWS]


def describe(operations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each entry of `aug.operations`: its probability, its operations and their parameters."""
    return [
        f"p {entry['p']:g}: {'one of ' if 'one_of' in entry else ''}"
        + "; ".join(map(_describe_call, entry.get("one_of", [entry])))
        for entry in operations
    ]


def _describe_call(operation: Mapping[str, Any]) -> str:
    name = operation["_target_"].rpartition(".")[2]
    settings = [f"{key} {_plain(value)}" for key, value in operation.items() if key not in ("_target_", "p")]
    return f"{name} ({', '.join(settings)})" if settings else name


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def draw_figure(
    rows: Sequence[Sequence[tuple[torch.Tensor, torch.Tensor]]], title: str, lines: Sequence[str]
) -> Figure:
    """Return a figure: one row per image, first as it is, then its draws, each with the outline of its mask."""
    columns = len(rows[0])
    width = columns * CELL_INCHES
    wrap = textwrap.TextWrapper(int(width * 16), subsequent_indent="    ")
    text = "\n".join(wrap.fill(line) for line in lines or ["images as they are"])
    head, foot = 0.55 + LINE_INCHES * (text.count("\n") + 1), 0.25
    height = len(rows) * CELL_INCHES + head + foot
    figure = Figure(figsize=(width, height))

    def write(inches_from_bottom: float, text: str, **style: Any) -> None:
        figure.text(0.06 / width, inches_from_bottom / height, text, parse_math=False, **style)

    write(height - 0.1, title, va="top", fontsize=12, fontweight="bold")
    write(height - 0.36, text, va="top", fontsize=7.5, color="0.25", linespacing=1.35)
    note = " Only images that were drawn are shown; in training p is their share." if lines else ""
    dotted = any((mask == IGNORED).any() for _, mask in chain(*rows))
    outline = "Outline: mask of the pet" + (", dotted: what is not counted." if dotted else ".")
    write(0.08, f"{outline}{note}", fontsize=6.5, color="0.4")
    figure.subplots_adjust(0.03 / width, foot / height, 1 - 0.03 / width, 1 - head / height, wspace=0.04, hspace=0.04)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (image, mask) in zip(grid.flat, chain(*rows), strict=True):
        axes.imshow(image.permute(1, 2, 0).numpy(), interpolation="lanczos")
        for value, style in ((IGNORED, UNCOUNTED), (1, TRUTH)):
            draw_outline(axes, mask.numpy() == value, style)
        axes.set_axis_off()
    for column, axes in enumerate(grid[0]):
        axes.set_title(f"draw {column}" if column else "original", fontsize=8, pad=3)
    return figure
