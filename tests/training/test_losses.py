"""The losses against PyTorch's and segmentation_models.pytorch's."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.losses.soft_dice import soft_dice
from pets_seg.training.objective import Objective


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (4, 20, 24), generator=generator)
    return torch.randn(4, 2, 20, 24, generator=generator), torch.tensor([0, 1, 255])[mask]


def test_cross_entropy_is_pytorchs_and_zero_where_nothing_counts(batch: tuple) -> None:
    objective = Objective([(1, cross_entropy)])
    loss, logged = objective(*batch)
    torch.testing.assert_close(loss, F.cross_entropy(*batch, ignore_index=255))
    assert torch.equal(loss, logged)
    assert objective(batch[0], torch.full_like(batch[1], 255))[0].item() == 0
    # Where a softmax would overflow.
    torch.testing.assert_close(
        objective(batch[0] * 1e4, batch[1])[0], F.cross_entropy(batch[0] * 1e4, batch[1], ignore_index=255)
    )


def test_soft_dice_is_smps_image_by_image(batch: tuple) -> None:
    logits, mask = batch
    # Theirs halves numerator and denominator before it adds the smoothing.
    theirs = smp.losses.DiceLoss("binary", from_logits=False, smooth=0.5, ignore_index=255)
    expected = [theirs(p[None, None], m[None, None]) for p, m in zip(logits.softmax(1)[:, 1], mask, strict=True)]
    torch.testing.assert_close(soft_dice(logits, mask), torch.stack(expected), atol=1e-5, rtol=0)


def test_the_objective_weighs_its_terms(batch: tuple) -> None:
    entropy, dice = F.cross_entropy(*batch, ignore_index=255), soft_dice(*batch).mean()
    loss, logged = Objective([(0.5, cross_entropy), (2.0, soft_dice)])(*batch)
    torch.testing.assert_close(loss, 0.5 * entropy + 2 * dice)
    torch.testing.assert_close(logged, entropy)
    assert Objective([(1.0, cross_entropy)]).is_cross_entropy
    assert not Objective([(1, cross_entropy), (1, soft_dice)]).is_cross_entropy


@pytest.mark.parametrize("weights", [(1,), (0.5, 2.0)])
def test_the_shares_of_parts_add_up_to_the_batch(batch: tuple, weights: tuple[float, ...]) -> None:
    logits, mask = batch
    mask[0, :10] = 255
    objective = Objective(list(zip(weights, (cross_entropy, soft_dice), strict=False)))
    logits.requires_grad_()
    whole, entropy = objective(logits, mask)
    [gradient] = torch.autograd.grad(whole, logits)
    parts = [objective(logits[rows], mask[rows], mask) for rows in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(loss for loss, _ in parts), whole)
    torch.testing.assert_close(sum(share for _, share in parts), entropy)
    torch.testing.assert_close(torch.autograd.grad(sum(loss for loss, _ in parts), logits)[0], gradient)


def test_gradients_are_finite_on_masks_without_a_pet() -> None:
    logits = torch.zeros(2, 2, 8, 8, requires_grad=True)
    Objective([(1, cross_entropy), (1, soft_dice)])(logits, torch.zeros(2, 8, 8, dtype=torch.long))[0].backward()
    assert logits.grad.isfinite().all()
