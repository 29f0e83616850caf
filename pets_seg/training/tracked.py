"""What the tracker gets of a run while it trains, each thing from the run folder's own."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pets_seg.evaluation.metrics import hard_mask
from pets_seg.run_folder.pictures import Picture, add_pictures, read_pictures
from pets_seg.tracking.replay import replay
from pets_seg.training.setup import Setup

# Validation images whose predictions are shown.
PICTURES = 4
# Parts of a run at whose ends they are, beside that of the first epoch.
QUARTERS = (0.25, 0.5, 0.75, 1.0)


def track_again(run: Setup) -> None:
    """Pass on the epochs that a run has behind it when it is continued."""
    replay(run.tracker, run.state.rows, step_rows(run), read_pictures(run.folder.path))


def track_epoch(run: Setup, row: Mapping[str, Any], pictures: list[Picture]) -> None:
    """Pass on the row of an epoch, its pictures if there are any, and before them the figures of its steps."""
    steps = step_rows(run, after=run.steps_per_epoch * (row["epoch"] - 1))
    replay(run.tracker, [row], steps, {row["epoch"]: pictures} if pictures else {})


def step_rows(run: Setup, after: int = 0) -> list[dict[str, Any]]:
    """Return the rows of steps.csv beyond the step `after`; the learning rate is that of the step's update."""
    rows = []
    for step, lr, objective, cross_entropy in run.state.steps.beyond(after):
        row = {"step": int(step), "step/loss": cross_entropy, "step/lr": lr}
        rows.append(row | {"step/objective": objective} if run.logs_objective else row)
    return rows


def picture_epochs(epochs: int) -> set[int]:
    """Return the epochs with pictures: the first, the last, and those at each quarter of the run."""
    return {1, *(math.ceil(part * epochs) for part in QUARTERS)}


def make_pictures(run: Setup) -> list[Picture]:
    """Write and return the pictures of the epoch that was just validated; none if nobody would see them."""
    if not run.tracker.wants_pictures or run.state.epoch not in picture_epochs(run.epochs):
        return []
    pictures = predict_pictures(run, run.state.evaluated_network)
    add_pictures(run.folder.path, run.state.epoch, pictures)
    return pictures


def predict_pictures(run: Setup, network: nn.Module) -> list[Picture]:
    """Return some validation images, the same at every epoch, with what a network in evaluation mode predicts."""
    pictures = []
    # One image at a time, so that large images fit into memory.
    for index in torch.linspace(0, len(run.valid) - 1, min(PICTURES, len(run.valid))).long():
        image, mask = run.valid.take(index[None])
        with torch.inference_mode(), run.autocast:
            logits = network(run.normalise(image))
        pixels = (image[0] * 255).round().to(torch.uint8)
        stem = run.dataset.valid.stems[int(index)]
        pictures.append((stem, pixels.cpu().numpy(), mask[0].cpu().numpy(), hard_mask(logits)[0].cpu().numpy()))
    return pictures
