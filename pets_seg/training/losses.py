"""What training minimises: a weighted sum of cross-entropy and soft Dice loss."""

import torch
import torch.nn.functional as F

from pets_seg.data.batches import IGNORED

# Keeps the soft Dice loss and its gradient finite on masks without a pet.
SMOOTHING = 1.0


def cross_entropy(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over counted pixels, a scalar, of logits (B,2,H,W) against mask (B,H,W) with 0, 1 and 255."""
    total = F.cross_entropy(logits, mask, ignore_index=IGNORED, reduction="sum")
    return total / (mask != IGNORED).sum().clamp(min=1)


def soft_dice(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the soft Dice loss of every image, (B,), over its counted pixels (Milletari et al. 2016, smoothed)."""
    counted = mask != IGNORED
    pet = (mask == 1).float()
    probability = logits.softmax(dim=1)[:, 1] * counted
    both = (probability * pet).flatten(1).sum(1)
    total = (probability + pet).flatten(1).sum(1)
    return 1 - (2 * both + SMOOTHING) / (total + SMOOTHING)


class Objective:
    """`cross_entropy` and `dice` are the weights of the two terms."""

    def __init__(self, cross_entropy: float, dice: float) -> None:
        self.cross_entropy_weight = cross_entropy
        self.dice_weight = dice

    @property
    def is_cross_entropy(self) -> bool:
        """Whether the objective is the plain cross-entropy, which is logged anyway."""
        return (self.cross_entropy_weight, self.dice_weight) == (1, 0)

    def __call__(self, logits: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scalar to minimise, the soft Dice term as its mean over images, and the cross-entropy alone."""
        entropy = cross_entropy(logits, mask)
        if not self.dice_weight:
            return self.cross_entropy_weight * entropy, entropy
        return self.combine(entropy, soft_dice(logits, mask).mean()), entropy

    def combine(self, entropy: torch.Tensor | float, dice: torch.Tensor | float) -> torch.Tensor | float:
        """Return the weighted sum of the two terms."""
        return self.cross_entropy_weight * entropy + self.dice_weight * dice
