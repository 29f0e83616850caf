"""The losses against PyTorch's and segmentation_models.pytorch's."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from pets_seg.training.losses import Objective, cross_entropy, soft_dice


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (4, 20, 24), generator=generator)
    return torch.randn(4, 2, 20, 24, generator=generator), torch.tensor([0, 1, 255])[mask]


def test_cross_entropy_is_pytorchs_and_zero_where_nothing_counts(batch: tuple) -> None:
    torch.testing.assert_close(cross_entropy(*batch), F.cross_entropy(*batch, ignore_index=255))
    assert cross_entropy(batch[0], torch.full_like(batch[1], 255)).item() == 0


def test_soft_dice_is_smps_image_by_image(batch: tuple) -> None:
    logits, mask = batch
    # Theirs halves numerator and denominator before it adds the smoothing.
    theirs = smp.losses.DiceLoss("binary", from_logits=False, smooth=0.5, ignore_index=255)
    expected = [theirs(p[None, None], m[None, None]) for p, m in zip(logits.softmax(1)[:, 1], mask, strict=True)]
    torch.testing.assert_close(soft_dice(logits, mask), torch.stack(expected), atol=1e-5, rtol=0)


def test_the_objective_weighs_its_terms(batch: tuple) -> None:
    entropy, dice = cross_entropy(*batch), soft_dice(*batch).mean()
    loss, logged = Objective(cross_entropy=0.5, dice=2.0)(*batch)
    torch.testing.assert_close(loss, 0.5 * entropy + 2 * dice)
    torch.testing.assert_close(logged, entropy)
    assert Objective(1, 0).is_cross_entropy
    assert not Objective(1, 1).is_cross_entropy


def test_gradients_are_finite_on_masks_without_a_pet() -> None:
    logits = torch.zeros(2, 2, 8, 8, requires_grad=True)
    Objective(1, 1)(logits, torch.zeros(2, 8, 8, dtype=torch.long))[0].backward()
    assert logits.grad.isfinite().all()
