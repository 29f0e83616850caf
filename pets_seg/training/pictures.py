"""A few images with the masks that a network predicts, for the tracker."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import nn

from pets_seg.data import Batches, Normalise
from pets_seg.evaluation.metrics import hard_mask

PICTURES = 4


def pictures(
    network: nn.Module,
    batches: Batches,
    stems: Sequence[str],
    normalise: Normalise,
    autocast: AbstractContextManager,
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return stem, image uint8 (3,S,S), mask uint8 (S,S) and prediction bool (S,S) of images spread over a split.

    The network is left in evaluation mode.
    """
    network.eval()
    chosen = torch.linspace(0, len(batches) - 1, min(PICTURES, len(batches))).long()
    found = []
    # One by one, for memories that hold no more of large images.
    for index in chosen:
        image, mask = batches.take(index[None])
        with torch.inference_mode(), autocast:
            logits = network(normalise(image))
        parts = ((image[0] * 255).round().to(torch.uint8), mask[0], hard_mask(logits)[0])
        found.append((stems[int(index)], *(part.cpu().numpy() for part in parts)))
    return found
