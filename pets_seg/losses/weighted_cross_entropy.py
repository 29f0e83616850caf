"""Cross-entropy in which the classes have weights."""

from typing import Annotated

import torch
from torch import Tensor

from pets_seg.config.rules import Range
from pets_seg.losses.cross_entropy import cross_entropy


def weighted_cross_entropy(
    logits: Tensor, mask: Tensor, pet: Annotated[float, Range(0)] = 1.0, background: Annotated[float, Range(0)] = 1.0
) -> Tensor:
    """Return the cross-entropy of every pixel (B,H,W) times the weight of its true class.

    The mean is taken over the counted pixels, not over their weights as by torch.nn.CrossEntropyLoss, so that parts of
    a batch add up to the batch.
    """
    return cross_entropy(logits, mask) * torch.where(mask == 1, pet, background)
