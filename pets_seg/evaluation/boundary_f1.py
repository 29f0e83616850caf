"""Boundary F1: how well the outline of the predicted mask follows that of the true one.

Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
"""

from typing import Annotated

import torch
import torch.nn.functional as F

from pets_seg.config.rules import Range
from pets_seg.config.schema import IGNORED
from pets_seg.evaluation.metrics import hard_mask


def boundary_f1(
    logits: torch.Tensor, mask: torch.Tensor, tolerance: Annotated[float, Range(0, 0.25)] = 0.02
) -> torch.Tensor:
    """Return the boundary F1 of every image, (B,): the harmonic mean of precision and recall of outline pixels.

    An outline pixel is one of the pet beside one of the background, of its four neighbours; the border of the image is
    no outline. It is right if the other mask has an outline pixel within `tolerance` times the side (rounded, at least
    a pixel). Two masks without an outline score 1 if they are alike, else 0. An image whose true outline lies in pixels
    that are not counted gives NaN.
    """
    counted = mask != IGNORED
    true, predicted = mask == 1, hard_mask(logits) & counted
    radius = max(1, round(tolerance * mask.shape[-1]))
    outlines = [_outline(pet, counted) for pet in (true, predicted)]
    near = [_within(outline, radius) for outline in outlines]
    found, size = (
        [part.flatten(1).sum(1).float() for part in parts]
        for parts in ((outlines[0] & near[1], outlines[1] & near[0]), outlines)
    )
    recall, precision = (part / total.clamp(min=1) for part, total in zip(found, size, strict=True))
    score = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
    alike = (true == predicted).flatten(1).all(1)
    score = torch.where((size[0] == 0) & (size[1] == 0), alike.float(), score)
    both_classes = true.flatten(1).any(1) & (mask == 0).flatten(1).any(1)
    return torch.where((size[0] == 0) & both_classes, torch.nan, score)


def _outline(pet: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    background = F.pad((counted & ~pet).float().unsqueeze(1), (1, 1, 1, 1))
    cross = background.new_tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    return pet & (F.conv2d(background, cross).squeeze(1) > 0)


def _within(outline: torch.Tensor, radius: int) -> torch.Tensor:
    along = torch.arange(-radius, radius + 1, device=outline.device)
    disc = (along[:, None] ** 2 + along**2 <= radius**2).float().view(1, 1, len(along), len(along))
    return F.conv2d(outline.float().unsqueeze(1), disc, padding=radius).squeeze(1) > 0.5
