"""Boundary F1 against distances that SciPy computes, and what it says at its ends."""

import math

import numpy as np
import pytest
import torch
from conftest import blocks
from scipy.ndimage import binary_dilation, distance_transform_edt

from pets_seg.evaluation.boundary_f1 import boundary_f1


def outline(pet: np.ndarray, background: np.ndarray) -> np.ndarray:
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    return pet & binary_dilation(background, cross)


def by_distances(predicted: np.ndarray, mask: np.ndarray, tolerance: float) -> float:
    counted = mask != 255
    true, predicted = mask == 1, predicted & counted
    lines = [outline(pet, counted & ~pet) for pet in (true, predicted)]
    if not lines[0].any() and (mask == 0).any() and true.any():
        return math.nan
    if not lines[0].any() and not lines[1].any():
        return float((true == predicted).all())
    radius = max(1, round(tolerance * mask.shape[-1]))
    found = []
    for line, other in (lines, lines[::-1]):
        near = distance_transform_edt(~other) <= radius if other.any() else np.zeros_like(other)
        found.append((line & near).sum() / max(line.sum(), 1))
    return 2 * found[0] * found[1] / max(sum(found), 1e-12)


@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("ignored", [0, 255])
def test_it_is_what_distances_say(tolerance: float, ignored: int) -> None:
    images, mask = blocks(count=12, seed=3)
    mask = torch.where(mask == 255, ignored, mask).to(torch.uint8)
    logits = images[:, :2] + torch.stack((mask == 0, mask == 1), 1) * torch.rand(12, 1, 1, 1)
    found = boundary_f1(logits, mask, tolerance)
    predicted = (logits[:, 1] > logits[:, 0]).numpy()
    expected = [by_distances(*pair, tolerance) for pair in zip(predicted, mask.numpy(), strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert len(set(expected)) > 6


def logits_of(pet: torch.Tensor) -> torch.Tensor:
    return torch.stack((~pet, pet), 1).float()


def test_at_its_ends() -> None:
    square = torch.zeros(1, 32, 32, dtype=torch.uint8)
    square[:, 8:20, 8:20] = 1
    nothing, everything = torch.zeros_like(square), torch.ones_like(square)
    assert boundary_f1(logits_of(square == 1), square).item() == 1
    # A pixel aside is within the tolerance, five are not.
    assert boundary_f1(logits_of(square.roll(1, 2) == 1), square).item() == 1
    assert boundary_f1(logits_of(square.roll(5, 2) == 1), square).item() < 1
    assert boundary_f1(logits_of(nothing == 1), square).item() == 0
    assert boundary_f1(logits_of(nothing == 1), nothing).item() == 1
    assert boundary_f1(logits_of(everything == 1), nothing).item() == 0
    # The border of the pet is not counted: nothing can be said.
    ring = square.clone()
    ring[:, 6:22, 6:22] = torch.where(square[:, 6:22, 6:22] == 1, 1, 255)
    assert boundary_f1(logits_of(square == 1), ring).isnan().item()
