"""What training minimises: a weighted sum of cross-entropy and soft Dice loss."""

import torch

from pets_seg.data.batches import IGNORED
from pets_seg.evaluation.metrics import pixel_cross_entropy

# Keeps the soft Dice loss and its gradient finite on masks without a pet.
SMOOTHING = 1.0


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

    def __call__(
        self, logits: torch.Tensor, mask: torch.Tensor, whole: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scalar to minimise, the soft Dice term as its mean over images, and the cross-entropy alone.

        With `whole`, the mask (N,H,W) of a batch of which this is a part, both are the part's share: the sums over the
        parts are the figures of the batch.
        """
        whole = mask if whole is None else whole
        entropy = pixel_cross_entropy(logits, mask).sum() / (whole != IGNORED).sum().clamp(min=1)
        if not self.dice_weight:
            return self.cross_entropy_weight * entropy, entropy
        return self.combine(entropy, soft_dice(logits, mask).sum() / len(whole)), entropy

    def combine(self, entropy: torch.Tensor | float, dice: torch.Tensor | float) -> torch.Tensor | float:
        """Return the weighted sum of the two terms."""
        return self.cross_entropy_weight * entropy + self.dice_weight * dice
