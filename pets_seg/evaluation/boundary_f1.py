"""Boundary F1: how well the outline of the predicted mask matches the true one (Csurka et al., BMVC 2013)."""

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from pets_seg.config.rules import Range
from pets_seg.config.schema import IGNORED
from pets_seg.evaluation.metrics import hard_mask


def boundary_f1(logits: Tensor, mask: Tensor, tolerance: Annotated[float, Range(0, 0.25)] = 0.02) -> Tensor:
    """Return the boundary F1 of every image, (B,): the harmonic mean of precision and recall of outline pixels.

    An outline pixel is a pet pixel with a background pixel among its four neighbours; the border of the image is no
    outline. It is right if the other mask has an outline pixel within `tolerance` times the side (rounded, at least
    a pixel). Two masks without an outline score 1 if they are equal, else 0. An image whose true outline lies in pixels
    that are not counted gives NaN.
    """
    counted = mask != IGNORED
    true, predicted = mask == 1, hard_mask(logits) & counted
    radius = max(1, round(tolerance * mask.shape[-1]))
    outlines = [_outline(pet, counted) for pet in (true, predicted)]
    near = [_within(outline, radius) for outline in outlines]
    true_size, predicted_size = map(_count, outlines)
    recall = _count(outlines[0] & near[1]) / true_size.clamp(min=1)
    precision = _count(outlines[1] & near[0]) / predicted_size.clamp(min=1)
    score = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
    equal = (true == predicted).flatten(1).all(1)
    score = torch.where((true_size == 0) & (predicted_size == 0), equal.float(), score)
    both_classes = true.flatten(1).any(1) & (mask == 0).flatten(1).any(1)
    return torch.where((true_size == 0) & both_classes, torch.nan, score)


def _count(pixels: Tensor) -> Tensor:
    return pixels.flatten(1).sum(1).float()


def _outline(pet: Tensor, counted: Tensor) -> Tensor:
    background = F.pad((counted & ~pet).float().unsqueeze(1), (1, 1, 1, 1))
    cross = background.new_tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).view(1, 1, 3, 3)
    return pet & (F.conv2d(background, cross).squeeze(1) > 0)


def _within(outline: Tensor, radius: int) -> Tensor:
    along = torch.arange(-radius, radius + 1, device=outline.device)
    disc = (along[:, None] ** 2 + along**2 <= radius**2).float().view(1, 1, len(along), len(along))
    return F.conv2d(outline.float().unsqueeze(1), disc, padding=radius).squeeze(1) > 0.5
