"""task=preview: a picture of what an aug option does to images and masks."""

import hashlib
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pets_seg.augment import Augment, check_operations
from pets_seg.config.checks import check
from pets_seg.config.identity import identity
from pets_seg.data import Batches, ensure_decoded, open_dataset
from pets_seg.machine.files import write_whole
from pets_seg.machine.seeding import derive_seed

IMAGES = 4
DRAWS = 5
# So many copies of an image are tried at once, and at most so often, until DRAWS of them were drawn.
AT_ONCE = 8
ROUNDS = 200
CELL_INCHES = 1.3
LINE_INCHES = 0.15


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, operations that cannot be used, or images that are not there."""
    config = check(cfg)
    check_operations(config["aug"]["operations"], config["data"]["size"])
    ensure_decoded(config["data"])


def run(cfg: DictConfig) -> float:
    """Write runs/<name>/preview/<aug>-s<seed>-<hash>.png, print its path, and return the number of pictures."""
    config = check(cfg)
    data, seed, aug = config["data"], config["seed"], config["aug"]
    train = open_dataset(data).train
    chosen = torch.linspace(0, len(train) - 1, min(IMAGES, len(train))).long()
    images, masks = Batches(train, torch.device("cpu"), data["boundary"]).take(chosen)
    augment = Augment(aug["operations"], keep_original=True)
    rows = [
        [(image, mask), *draw(augment, image, mask, derive_seed(seed, index))]
        for index, (image, mask) in enumerate(zip(images, masks, strict=True))
    ]
    part = identity(config)
    settings = {"aug": part["aug"], "data": part["data"]}
    settings["aug"].pop("keep_original", None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    path = Path("runs") / config["name"] / "preview" / f"{aug['name']}-s{seed}-{digest}.png"
    picture = draw_figure(rows, f"aug={aug['name']}", describe(settings["aug"]["operations"]))
    write_whole(path, lambda file: picture.savefig(file, format="png", dpi=220))
    print(path)
    return 1.0


def draw(
    augment: Augment, image: torch.Tensor, mask: torch.Tensor, seed: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return DRAWS augmented copies of an image (3,H,W) and its mask (H,W), of those that were drawn.

    What is missing (nothing can be drawn, or hardly ever) is filled up with the image as it is.
    """
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for attempt in range(ROUNDS if augment.steps else 0):
        batch = image.repeat(AT_ONCE, 1, 1, 1), mask.repeat(AT_ONCE, 1, 1)
        copies = augment(*batch, derive_seed(seed, attempt))
        found += list(zip(*(part[AT_ONCE:] for part in copies), strict=True))
        if len(found) >= DRAWS:
            break
    return (found + [(image, mask)] * DRAWS)[:DRAWS]


def describe(operations: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each entry of `aug.operations`: its probability, its operations and their parameters."""

    def call(entry: Mapping[str, Any]) -> str:
        name = entry["_target_"].rpartition(".")[2]
        settings = ", ".join(f"{key} {_plain(value)}" for key, value in entry.items() if key not in ("_target_", "p"))
        return f"{name} ({settings})" if settings else name

    return [
        f"p {entry['p']:g}: "
        + ("one of " + "; ".join(call(member) for member in entry["one_of"]) if "one_of" in entry else call(entry))
        for entry in operations
    ]


def draw_figure(rows: Sequence[Sequence[tuple[torch.Tensor, torch.Tensor]]], title: str, lines: Sequence[str]) -> Any:
    """Return a Matplotlib figure: a row an image, first as it is, then its draws, each with the outline of its mask."""
    from matplotlib import patheffects
    from matplotlib.figure import Figure

    columns = len(rows[0])
    width = columns * CELL_INCHES
    wrapped = [
        piece
        for line in lines or ["images as they are"]
        for piece in textwrap.wrap(line, int(width * 16), subsequent_indent="    ")
    ]
    head = 0.55 + LINE_INCHES * len(wrapped)
    height = len(rows) * CELL_INCHES + head + 0.25
    picture = Figure(figsize=(width, height))
    picture.text(0.06 / width, 1 - 0.1 / height, title, fontsize=12, fontweight="bold", va="top", parse_math=False)
    picture.text(
        0.06 / width,
        1 - 0.36 / height,
        "\n".join(wrapped),
        fontsize=7.5,
        va="top",
        color="0.25",
        linespacing=1.35,
        parse_math=False,
    )
    note = "Outline: mask of the pet."
    if lines:
        note += " Only images that were drawn are shown; in training p is their share."
    picture.text(0.06 / width, 0.08 / height, note, fontsize=6.5, color="0.4")
    grid = picture.add_gridspec(
        len(rows),
        columns,
        left=0.03 / width,
        right=1 - 0.03 / width,
        bottom=0.25 / height,
        top=1 - head / height,
        wspace=0.04,
        hspace=0.04,
    )
    for row, cells in enumerate(rows):
        for column, (image, mask) in enumerate(cells):
            axes = picture.add_subplot(grid[row, column])
            axes.imshow(image.permute(1, 2, 0).numpy(), interpolation="lanczos")
            pet = (mask == 1).float().numpy()
            if 0 < pet.sum() < pet.size:
                line = axes.contour(pet, levels=[0.5], colors=["#ffd21f"], linewidths=1.0)
                line.set_path_effects([patheffects.withStroke(linewidth=2.0, foreground="#00000099")])
            axes.set_axis_off()
            if row == 0:
                axes.set_title("original" if column == 0 else f"draw {column}", fontsize=8, pad=3)
    return picture


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
