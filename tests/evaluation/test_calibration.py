"""Calibration error and reliability against torchmetrics and against sums written out."""

import math

import torch
from conftest import blocks
from torchmetrics.functional.classification import binary_calibration_error

from pets_seg.evaluation.calibration import BINS, LEVELS, calibration_error, count_levels, reliability


def scored(scale: float = 2.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    _, mask = blocks(count=6, size=40, seed=seed)
    mask = mask.to(torch.uint8)
    logits = torch.randn(6, 2, 40, 40, generator=torch.Generator().manual_seed(seed)) * scale
    logits[:, 1] += (mask == 1) * 1.5
    return logits, mask


def test_the_error_is_that_of_torchmetrics() -> None:
    for scale in (0.1, 1.0, 5.0):
        logits, mask = scored(scale)
        counted = mask != 255
        probability = torch.sigmoid(logits[:, 1] - logits[:, 0])[counted].double()
        expected = binary_calibration_error(probability, mask[counted].long(), n_bins=BINS, norm="l1")
        assert abs(calibration_error(count_levels(logits, mask)) - expected.item()) < 1 / LEVELS


def test_a_bin_holds_its_pixels_their_probability_and_their_pets() -> None:
    logits, mask = scored()
    rows = reliability(count_levels(logits, mask))
    probability = torch.sigmoid(logits[:, 1] - logits[:, 0])
    for number, row in enumerate(rows):
        inside = (mask != 255) & (probability * BINS >= number) & (probability * BINS < number + 1)
        assert row["bin"] == number + 1
        assert row["pixels"] == inside.sum()
        assert abs(row["probability"] - probability[inside].double().mean().item()) < 1 / LEVELS
        assert abs(row["pet_share"] - (mask[inside] == 1).double().mean().item()) < 1e-12


def test_counts_do_not_depend_on_how_images_are_batched() -> None:
    logits, mask = scored()
    parts = [count_levels(logits[part], mask[part]) for part in (slice(0, 1), slice(1, 4), slice(4, 6))]
    assert torch.equal(sum(parts), count_levels(logits, mask))


def test_certain_predictions_and_empty_bins() -> None:
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1] = torch.tensor([[-200.0, 200.0]])
    levels = count_levels(logits, torch.tensor([[[0, 1]]], dtype=torch.uint8))
    assert calibration_error(levels) < 1 / LEVELS
    rows = reliability(levels)
    assert [row["pixels"] for row in rows] == [1, *[0] * (BINS - 2), 1]
    assert rows[7]["probability"] == rows[7]["pet_share"] == 0.5
    ignored = count_levels(logits, torch.full((1, 1, 2), 255, dtype=torch.uint8))
    assert math.isnan(calibration_error(ignored))
