"""Dice and IoU of the pet class, per image."""

import torch
import torch.nn.functional as F

from pets_seg.data.batches import IGNORED

EPSILON = 1e-6


def pixel_cross_entropy(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of every pixel (B,H,W), 0 where it is not counted.

    With two classes it is the binary cross-entropy of the difference of their logits, which is deterministic on CUDA;
    PyTorch's own for several classes is not.
    """
    margin = logits[:, 1] - logits[:, 0]
    counted = (mask != IGNORED).to(margin.dtype)
    return F.binary_cross_entropy_with_logits(margin, (mask == 1).to(margin.dtype), counted, reduction="none")


def overlap(predicted: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (B,3) int64 on the device: the pixels of P and G together, of P, and of G.

    `predicted` (B,H,W) bool is what is taken for pet; `mask` (B,H,W) holds 0, 1 (pet) and 255, which is not counted.
    """
    pet = mask == 1
    predicted = predicted & (mask != IGNORED)
    return torch.stack([part.flatten(1).sum(1) for part in (predicted & pet, predicted, pet)], dim=1)


def dice_and_iou(overlap: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return Dice and IoU, each (B,) float64, from the pixel counts of `overlap`.

    With `both` the pixels in P and G, Dice = (2 both + e) / (P + G + e) and IoU = (both + e) / (P + G - both + e),
    e = 1e-6: two empty masks score 1, and a false alarm on an empty mask scores about 0.
    """
    both, predicted, pet = overlap.double().unbind(dim=1)
    dice = (2 * both + EPSILON) / (predicted + pet + EPSILON)
    iou = (both + EPSILON) / (predicted + pet - both + EPSILON)
    return dice, iou
