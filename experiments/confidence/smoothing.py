"""Cross-entropy with label smoothing, as a loss of one's own."""

from typing import Annotated

import torch
import torch.nn.functional as F

from pets_seg import Range


def smoothed_cross_entropy(
    logits: torch.Tensor, mask: torch.Tensor, smoothing: Annotated[float, Range(0, 1)] = 0.1
) -> torch.Tensor:
    """Return the cross-entropy (B,H,W) against labels of 1 - `smoothing` / 2 and `smoothing` / 2.

    Szegedy et al. 2016 (arXiv:1512.00567), with two classes. `logits` is (B,2,H,W) float, `mask` (B,H,W) uint8.
    """
    label = (mask == 1).to(logits.dtype) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], label, reduction="none")
