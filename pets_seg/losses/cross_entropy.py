"""Cross-entropy over the two classes."""

import torch
import torch.nn.functional as F

from pets_seg.config.schema import IGNORED


def cross_entropy(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of every pixel (B,H,W), 0 where it is not counted."""
    # The binary cross-entropy of the logits' difference is the same; F.cross_entropy is not deterministic on CUDA.
    margin = logits[:, 1] - logits[:, 0]
    counted = (mask != IGNORED).to(margin.dtype)
    return F.binary_cross_entropy_with_logits(margin, (mask == 1).to(margin.dtype), counted, reduction="none")
