"""The losses against PyTorch's and segmentation_models.pytorch's."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F

from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.losses.focal import focal
from pets_seg.losses.lovasz import lovasz
from pets_seg.losses.soft_dice import soft_dice
from pets_seg.losses.weighted_cross_entropy import weighted_cross_entropy
from pets_seg.training.objective import Objective, build_objective


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


def margin(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1] - logits[:, 0]


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, None), (2.0, None), (0.5, 0.3), (1.5, 0.0), (3.0, 1.0)])
def test_focal_is_smps(batch: tuple, gamma: float, alpha: float | None) -> None:
    logits, mask = batch
    counted = mask != 255
    theirs = smp.losses.FocalLoss("binary", alpha, gamma, reduction="none")
    expected = theirs(margin(logits)[counted], mask[counted])
    found = focal(logits.requires_grad_(), mask, gamma, alpha)
    torch.testing.assert_close(found[counted], expected, atol=1e-6, rtol=1e-5)
    found.sum().backward()
    assert logits.grad.isfinite().all()
    assert (logits.grad[~counted[:, None].expand_as(logits)] == 0).all()


def test_lovasz_is_smps_image_by_image(batch: tuple) -> None:
    logits, mask = batch
    theirs = smp.losses.LovaszLoss("binary", ignore_index=255)
    expected = [theirs(margin(one)[None], its[None]) for one, its in zip(logits.split(1), mask.split(1), strict=True)]
    torch.testing.assert_close(lovasz(logits, mask), torch.stack(expected), atol=1e-5, rtol=1e-5)
    nothing = lovasz(logits.requires_grad_(), torch.full_like(mask, 255))
    nothing.sum().backward()
    assert nothing.tolist() == [0, 0, 0, 0]
    assert logits.grad.isfinite().all()
    # Without a pet it is the largest false alarm; where all is right, nothing.
    assert lovasz(logits, torch.zeros_like(mask))[0].item() == pytest.approx((1 + margin(logits)[0]).max().item())
    sure = torch.stack((20 * (mask == 0).float(), 20 * (mask == 1).float()), 1)
    assert lovasz(sure, mask).tolist() == [0, 0, 0, 0]


def test_weighted_cross_entropy_is_pytorchs_but_for_its_divisor(batch: tuple) -> None:
    logits, mask = batch
    weights = torch.tensor([0.5, 3.0])
    expected = F.cross_entropy(logits, mask, weights, ignore_index=255, reduction="none")
    torch.testing.assert_close(weighted_cross_entropy(logits, mask, pet=3.0, background=0.5), expected)


def test_a_sum_averages_each_loss_by_its_own_kind(batch: tuple) -> None:
    logits, mask = batch
    term = "pets_seg.losses"
    settings = {
        "name": "mine",
        "sum": [
            {"weight": 0.3, "loss": {"_target_": f"{term}.focal.focal", "gamma": 1.0}},
            {"weight": 2, "loss": {"_target_": f"{term}.lovasz.lovasz"}},
            {"weight": 0, "loss": {"_target_": f"{term}.soft_dice.soft_dice"}},
        ],
    }
    objective = build_objective(settings)
    assert len(objective.terms) == 2
    counted = (mask != 255).sum()
    expected = 0.3 * focal(logits, mask, 1.0).sum() / counted + 2 * lovasz(logits, mask).mean()
    torch.testing.assert_close(objective(logits, mask)[0], expected)
    parts = [objective(logits[rows], mask[rows], mask)[0] for rows in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(sum(parts), expected)


@pytest.mark.parametrize("loss", ["cross_entropy.cross_entropy", "soft_dice.soft_dice", "lovasz.lovasz", "focal.focal"])
def test_an_image_without_a_counted_pixel_has_no_part_in_the_objective(batch: tuple, loss: str) -> None:
    logits, mask = batch
    uncounted = mask.clone()
    uncounted[1] = 255
    objective = build_objective({"name": "mine", "_target_": f"pets_seg.losses.{loss}"})
    others = [0, 2, 3]
    torch.testing.assert_close(objective(logits, uncounted), objective(logits[others], mask[others]))
    parts = [objective(logits[rows], uncounted[rows], uncounted)[0] for rows in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(sum(parts), objective(logits, uncounted)[0])
    nothing = objective(logits, torch.full_like(mask, 255))
    assert [value.item() for value in nothing] == [0, 0]
