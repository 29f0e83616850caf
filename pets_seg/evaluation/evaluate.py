"""The scores of a network on a split: per image, and as means over images."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from pets_seg.config.schema import IGNORED
from pets_seg.data import Batches, Normalise
from pets_seg.evaluation.calibration import LEVELS, calibration_error, count_levels
from pets_seg.evaluation.mask_contents import MaskContents
from pets_seg.evaluation.metrics import dice_and_iou, hard_mask, overlap
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.world import ALONE, World

# A batch of evaluation holds about this many pixels, whatever the batch size in training.
PIXELS = 2**20
LARGEST_BATCH = 64


@dataclass(frozen=True)
class Scores:
    """Per image, each (N,) float64: Dice, IoU, mean cross-entropy over its counted pixels, and their number.

    `levels` (3, LEVELS) counts the pixels of all images by their probability of pet (`calibration.count_levels`).
    `figures` are further values per image, of which those `by_pixel` are means over its counted pixels; NaN is none.
    An image without a counted pixel has NaN everywhere and is left out of every mean.
    """

    dice: torch.Tensor
    iou: torch.Tensor
    loss: torch.Tensor
    pixels: torch.Tensor
    levels: torch.Tensor
    figures: dict[str, torch.Tensor] = field(default_factory=dict)
    by_pixel: frozenset[str] = frozenset()

    def means(self) -> dict[str, float]:
        """Return Dice and IoU as means over images; cross-entropy and calibration error over all counted pixels.

        All are NaN if no image has a counted pixel.
        """
        counted = self.pixels > 0
        means = {"dice": self.dice[counted].mean().item(), "iou": self.iou[counted].mean().item()}
        means |= {"loss": self._by_pixel(self.loss), "ece": calibration_error(self.levels)}
        for name, values in self.figures.items():
            means[name] = self._by_pixel(values) if name in self.by_pixel else values.nanmean().item()
        return means

    def mean(self, name: str) -> float:
        """Return the mean of one of the `figures`; NaN if any image with a counted pixel has no value."""
        values = self.figures[name]
        return self._by_pixel(values) if name in self.by_pixel else values[self.pixels > 0].mean().item()

    def rows(self, split: str, stems: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of per_image.csv for a split of these stems."""
        columns = {"dice": self.dice, "iou": self.iou, "loss": self.loss, "pixels": self.pixels.long(), **self.figures}
        names, values = ("split", "stem", *columns), [column.tolist() for column in columns.values()]
        return [dict(zip(names, (split, *row), strict=True)) for row in zip(stems, *values, strict=True)]

    def contents(self) -> MaskContents:
        """Return what the masks of the split hold."""
        return MaskContents(len(self.pixels), int((self.pixels == 0).sum()), bool(self.levels[1].any()))

    def _by_pixel(self, values: torch.Tensor) -> float:
        counted = self.pixels > 0
        pixels = self.pixels[counted]
        return ((values[counted] * pixels).sum() / pixels.sum()).item()


def evaluate(
    network: nn.Module,
    batches: Batches,
    normalise: Normalise,
    autocast: AbstractContextManager,
    figures: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType({}),
    world: World = ALONE,
    poll: Callable[[], None] = lambda: None,
) -> Scores:
    """Score every image of a split; the network is left in evaluation mode.

    `figures` are further scores by name, functions of logits and mask: one value per image, (B,), or pixel, (B,H,W).
    Several processes share the batches, and each returns the scores of all images. `poll` is called between batches.
    """
    network.eval()
    # Scores are gathered on the device, so that it is waited for only once.
    device, total = batches.device, len(batches)
    batch_size = max(1, min(LARGEST_BATCH, PIXELS // batches.images.shape[-1] ** 2))
    counts = torch.zeros(total, 4, dtype=torch.int64, device=device)
    losses = torch.zeros(total, device=device)
    values_of = {name: torch.zeros(total, device=device) for name in figures}
    by_pixel: set[str] = set()
    levels = torch.zeros(3, LEVELS, dtype=torch.int64, device=device)
    with torch.inference_mode():
        for indices in torch.arange(total).split(batch_size)[world.rank :: world.size]:
            poll()
            rows = slice(int(indices[0]), int(indices[-1]) + 1)
            image, mask = batches.take(indices)
            with autocast:
                logits = network(normalise(image)).float()
            counts[rows, :3] = overlap(hard_mask(logits), mask)
            counts[rows, 3] = (mask != IGNORED).flatten(1).sum(1)
            losses[rows] = cross_entropy(logits, mask).flatten(1).sum(1)
            levels += count_levels(logits, mask)
            for name, figure in figures.items():
                values = figure(logits, mask)
                if values.ndim == 3:
                    by_pixel.add(name)
                    values = torch.where(mask != IGNORED, values, 0).flatten(1).sum(1)
                values_of[name][rows] = values.float()
    # Images that other processes have scored are zero here, so that the sums are exact.
    counts, losses, levels = (world.sum(part).cpu() for part in (counts, losses, levels))
    values_of = {name: world.sum(values).cpu().double() for name, values in values_of.items()}
    # A process without a batch has called no figure.
    by_pixel = {name for name in figures if world.any(name in by_pixel)}
    pixels = counts[:, 3].double()
    values_of |= {name: values_of[name] / pixels for name in by_pixel}
    scores = [*dice_and_iou(counts[:, :3]), losses.double() / pixels, *values_of.values()]
    dice, iou, mean_losses, *others = [torch.where(pixels > 0, score, torch.nan) for score in scores]
    values_of = dict(zip(values_of, others, strict=True))
    return Scores(dice, iou, mean_losses, pixels, levels, values_of, frozenset(by_pixel))
