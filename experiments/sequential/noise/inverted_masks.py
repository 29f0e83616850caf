"""A loss with wrong labels, for an effect whose sign is known."""

from typing import Annotated

import torch

from pets_seg import Range
from pets_seg.losses.cross_entropy import cross_entropy


def inverted_masks(
    logits: torch.Tensor, mask: torch.Tensor, share: Annotated[float, Range(0, 1)] = 0.1
) -> torch.Tensor:
    """Return the cross-entropy of every pixel (B,H,W), against the inverted mask for this share of the images.

    Which images that are is drawn anew in every step, from the random numbers of the run.
    """
    wrong = torch.rand(len(mask), device=mask.device) < share
    # 255 is ignored, and stays.
    inverted = torch.where(mask < 2, 1 - mask, mask)
    return cross_entropy(logits, torch.where(wrong[:, None, None], inverted, mask))
