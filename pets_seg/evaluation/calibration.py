"""Reliability and expected calibration error of the pet probability (Naeini et al., AAAI 2015), over counted pixels."""

import math

import torch

BINS = 15
# Pixels are counted in fine levels, 1,024 a bin: sums of whole numbers do not depend on the order.
LEVELS = BINS * 1024


def count_levels(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (3, LEVELS) int64 on the device: the number of pixels at each level of the probability of pet.

    Row 0 holds background pixels, row 1 pet pixels, row 2 those that are not counted. `logits` is (B,2,H,W), `mask`
    (B,H,W) uint8 with 0, 1 (pet) and 255. A NaN gets any level; the loss shows it.
    """
    probability = torch.sigmoid(logits[:, 1] - logits[:, 0])
    level = (probability * LEVELS).long().clamp_(0, LEVELS - 1)
    index = level.add_(mask.clamp(max=2).long(), alpha=LEVELS).flatten()
    one = torch.ones((), dtype=torch.int64, device=mask.device).expand(len(index))
    return torch.zeros(3 * LEVELS, dtype=torch.int64, device=mask.device).index_add_(0, index, one).view(3, LEVELS)


def reliability(levels: torch.Tensor) -> list[dict[str, float]]:
    """Return pixels, mean probability and share of pet for each of BINS equal bins; the centre of an empty one."""
    counted = levels[:2].double().view(2, BINS, -1)
    centres = (torch.arange(LEVELS, dtype=torch.float64) + 0.5).view(BINS, -1) / LEVELS
    pixels = counted.sum((0, 2))
    probability = torch.where(pixels > 0, (counted.sum(0) * centres).sum(1) / pixels, centres.mean(1))
    share = torch.where(pixels > 0, counted[1].sum(1) / pixels, centres.mean(1))
    names = ("bin", "pixels", "probability", "pet_share")
    columns = range(1, BINS + 1), pixels.long().tolist(), probability.tolist(), share.tolist()
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def calibration_error(levels: torch.Tensor) -> float:
    """Return the mean difference of probability and share of pet over the bins, weighted by their pixels.

    NaN if no pixel is counted.
    """
    bins = reliability(levels)
    total = sum(part["pixels"] for part in bins)
    if not total:
        return math.nan
    return sum(part["pixels"] * abs(part["probability"] - part["pet_share"]) for part in bins) / total
