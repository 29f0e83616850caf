"""The focal loss (Lin et al. 2017, arXiv:1708.02002), which gives well classified pixels less weight."""

from typing import Annotated

import torch

from pets_seg.config.rules import Range
from pets_seg.losses.cross_entropy import cross_entropy

# The gradient of a power is infinite at 0 where the exponent is below 1.
LEAST = 1e-12


def focal(
    logits: torch.Tensor,
    mask: torch.Tensor,
    gamma: Annotated[float, Range(0, 10)] = 2.0,
    alpha: Annotated[float, Range(0, 1)] | None = None,
) -> torch.Tensor:
    """Return (1 - p)^gamma times the cross-entropy of every pixel (B,H,W), p the probability of its true class.

    `alpha` is the weight of the pet class and 1 - alpha that of the background; None weighs both by 1.
    """
    values = cross_entropy(logits, mask)
    values = (-torch.expm1(-values)).clamp(min=LEAST) ** gamma * values
    return values if alpha is None else values * torch.where(mask == 1, alpha, 1 - alpha)
