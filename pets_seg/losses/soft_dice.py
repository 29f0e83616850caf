"""The soft Dice loss of the pet class (Milletari et al. 2016, arXiv:1606.04797), smoothed."""

import torch

from pets_seg.config.schema import IGNORED

# Keeps the loss and its gradient finite on masks without a pet.
SMOOTHING = 1.0


def soft_dice(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the soft Dice loss of every image, (B,), over its counted pixels."""
    counted = mask != IGNORED
    pet = (mask == 1).float()
    probability = logits.softmax(dim=1)[:, 1] * counted
    both = (probability * pet).flatten(1).sum(1)
    total = (probability + pet).flatten(1).sum(1)
    return 1 - (2 * both + SMOOTHING) / (total + SMOOTHING)
