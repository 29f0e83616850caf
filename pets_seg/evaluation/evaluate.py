"""What a network scores on a split: per image, and as means over images."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn

from pets_seg.data import Batches, Normalise
from pets_seg.data.batches import IGNORED
from pets_seg.evaluation.calibration import LEVELS, calibration_error, count_levels
from pets_seg.evaluation.metrics import dice_and_iou, overlap, pixel_cross_entropy
from pets_seg.world import ALONE, World

# A batch of evaluation holds about this many pixels, whatever the batch size in training.
PIXELS = 2**20
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Scores:
    """A figure an image, each (N,) float64: Dice, IoU, mean cross-entropy over its counted pixels, and their number.

    `levels` (3, LEVELS) counts the pixels of all images by their probability of pet (`calibration.count_levels`).
    """

    dice: torch.Tensor
    iou: torch.Tensor
    loss: torch.Tensor
    pixels: torch.Tensor
    extra: torch.Tensor
    levels: torch.Tensor

    def means(self) -> dict[str, float]:
        """Return Dice and IoU as means over images; cross-entropy and calibration error over all counted pixels."""
        loss = (self.loss * self.pixels).sum() / self.pixels.sum().clamp(min=1)
        means = {"dice": self.dice.mean().item(), "iou": self.iou.mean().item(), "loss": loss.item()}
        return {**means, "ece": calibration_error(self.levels)}


def evaluate(
    network: nn.Module,
    batches: Batches,
    normalise: Normalise,
    autocast: AbstractContextManager,
    extra: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
    world: World = ALONE,
    poll: Callable[[], None] = lambda: None,
) -> Scores:
    """Score every image of a split, in evaluation mode; the figures reach the host once, at the end.

    `extra` is one more figure an image, (B,), from logits and mask. Several processes share the batches of one, and
    each returns the scores of all images. `poll` is called between batches. The network is left in evaluation mode.
    """
    network.eval()
    size = batches.images.shape[-1]
    count = max(1, min(LARGEST_BATCH, PIXELS // size**2))
    counts = torch.zeros(len(batches), 4, dtype=torch.int64, device=batches.device)
    losses, extras = (torch.zeros(len(batches), device=batches.device) for _ in range(2))
    levels = torch.zeros(3, LEVELS, dtype=torch.int64, device=batches.device)
    with torch.inference_mode():
        for indices in torch.arange(len(batches)).split(count)[world.rank :: world.size]:
            poll()
            rows = slice(int(indices[0]), int(indices[-1]) + 1)
            image, mask = batches.take(indices)
            with autocast:
                logits = network(normalise(image))
            logits = logits.float()
            loss = pixel_cross_entropy(logits, mask)
            predicted = logits[:, 1] > logits[:, 0]
            counts[rows] = torch.cat((overlap(predicted, mask), _count(mask != IGNORED)), dim=1)
            losses[rows] = loss.flatten(1).sum(1)
            levels += count_levels(logits, mask)
            if extra:
                extras[rows] = extra(logits, mask)
    # What another process has scored is zero here, so that the sums are exact.
    counted, losses, extras, levels = (world.sum(part).cpu() for part in (counts, losses, extras, levels))
    pixels = counted[:, 3].double()
    mean_losses = losses.double() / pixels.clamp(min=1)
    return Scores(*dice_and_iou(counted[:, :3]), mean_losses, pixels, extras.double(), levels)


def _count(mask: torch.Tensor) -> torch.Tensor:
    return mask.flatten(1).sum(1, keepdim=True)
