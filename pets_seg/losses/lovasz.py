"""The Lovász hinge (Berman et al. 2018, arXiv:1705.08790), a convex surrogate of 1 - IoU."""

import torch

from pets_seg.config.schema import IGNORED


def lovasz(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the Lovász hinge loss of the pet class for every image, (B,), over its counted pixels.

    The hinge errors of the pixels are sorted, and each is weighted by how much the IoU of the mask falls when its pixel
    is wrong too (algorithm 1 of the paper).
    """
    margin, pet = (logits[:, 1] - logits[:, 0]).flatten(1), (mask == 1).flatten(1).float()
    errors = 1 - margin * (2 * pet - 1)
    # Pixels that are not counted come last and have no error.
    errors = torch.where(mask.flatten(1) == IGNORED, torch.finfo(errors.dtype).min, errors)
    errors, order = errors.sort(dim=1, descending=True)
    # As whole numbers: sums of others have no deterministic order on CUDA.
    pet = pet.gather(1, order).long()
    total = pet.sum(1, keepdim=True)
    jaccard = 1 - (total - pet.cumsum(1)) / (total + (1 - pet).cumsum(1))
    steps = torch.diff(jaccard, dim=1, prepend=jaccard.new_zeros(len(jaccard), 1))
    return (errors.relu() * steps).sum(1)
