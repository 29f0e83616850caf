"""The metric against torchmetrics and segmentation_models.pytorch, and its properties."""

import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_jaccard_index
from torchmetrics.functional.segmentation import dice_score

from pets_seg.evaluation.metrics import dice_and_iou, overlap


def random_masks(seed: int, share: float, count: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    predicted = torch.rand(count, 17, 23, generator=generator) < share
    mask = (torch.rand(count, 17, 23, generator=generator) < share).long()
    return predicted, mask


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_equals_torchmetrics_and_smp(share: float) -> None:
    predicted, mask = random_masks(1, share)
    dice, iou = dice_and_iou(overlap(predicted, mask))
    theirs = dice_score(
        predicted.long(), mask, num_classes=2, include_background=False, input_format="index", average="none"
    )
    torch.testing.assert_close(dice.float(), theirs.squeeze(1), atol=1e-5, rtol=0)
    jaccard = torch.stack([binary_jaccard_index(p, m) for p, m in zip(predicted.long(), mask, strict=True)])
    torch.testing.assert_close(iou.float(), jaccard, atol=1e-5, rtol=0)
    counts = smp.metrics.get_stats(predicted.long()[:, None], mask[:, None], mode="binary")
    f1 = smp.metrics.f1_score(*counts, reduction="none").squeeze(1)
    torch.testing.assert_close(dice.float(), f1, atol=1e-5, rtol=0)


def test_ignored_pixels_do_not_count() -> None:
    predicted, mask = random_masks(2, 0.4)
    ignored = torch.rand(mask.shape, generator=torch.Generator().manual_seed(3)) < 0.3
    dice, _ = dice_and_iou(overlap(predicted, mask.masked_fill(ignored, 255)))
    theirs = []
    for p, m, kept in zip(predicted, mask, ~ignored, strict=True):
        counts = smp.metrics.get_stats(p[kept][None, None].long(), m[kept][None, None], mode="binary")
        theirs.append(smp.metrics.f1_score(*counts, reduction="none").squeeze())
    theirs = torch.stack(theirs)
    torch.testing.assert_close(dice.float(), theirs, atol=1e-5, rtol=0)


def test_empty_masks() -> None:
    empty = torch.zeros(1, 8, 8, dtype=torch.long)
    dice, iou = dice_and_iou(overlap(empty.bool(), empty))
    assert dice.item() == iou.item() == 1
    false_alarm = torch.zeros(1, 8, 8, dtype=torch.bool)
    false_alarm[0, 0, 0] = True
    dice, iou = dice_and_iou(overlap(false_alarm, empty))
    assert dice.item() == pytest.approx(0, abs=1e-5)
    assert iou.item() == pytest.approx(0, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_dice_follows_from_iou_and_stays_in_its_range(seed: int, share: float) -> None:
    dice, iou = dice_and_iou(overlap(*random_masks(seed, share)))
    assert ((dice >= 0) & (dice <= 1)).all()
    torch.testing.assert_close(dice, 2 * iou / (1 + iou), atol=1e-5, rtol=0)
