"""Image and mask move together, image by image, as the seed says."""

import pytest
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import pets_seg.config
from pets_seg.augment import Augment
from pets_seg.errors import InputError

pets_seg.config.register()


def operations(option: str, size: int, **changes: object) -> list[dict]:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=[f"aug={option}", f"data.size={size}"])
    plain = OmegaConf.to_container(cfg, resolve=True)
    return [{**operation, **changes} for operation in plain["aug"]["operations"]]


def batch(count: int = 8, size: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 3, (count, 1, 5, 5), generator=generator).float()
    mask = torch.nn.functional.interpolate(coarse, size=(size, size), mode="nearest").long().squeeze(1)
    return torch.rand(count, 3, size, size, generator=generator), torch.tensor([0, 1, 255])[mask]


@pytest.mark.parametrize("option", ["hflip", "elastic", "crop"])
@pytest.mark.parametrize("size", [40, 33])
def test_mask_fed_as_image_moves_bit_for_bit_as_the_mask(option: str, size: int) -> None:
    nearest = {} if option == "hflip" else {"resample": "NEAREST"}
    _, mask = batch(size=size)
    image = (mask / 255).unsqueeze(1).repeat(1, 3, 1, 1)
    moved, moved_mask = Augment(operations(option, size, p=1.0, **nearest))(image.clone(), mask.clone(), seed=3)
    assert torch.equal((moved[:, 0] * 255).round().long(), moved_mask)
    assert not torch.equal(moved_mask, mask)
    assert set(moved_mask.unique().tolist()) <= {0, 1, 255}


@pytest.mark.parametrize("option", ["hflip", "elastic", "crop"])
def test_rows_that_were_not_drawn_are_untouched_and_the_others_are_not(option: str) -> None:
    image, mask = batch(count=400, size=32)
    probability = 0.5 if option == "hflip" else 0.2
    moved, moved_mask = Augment(operations(option, 32))(image.clone(), mask.clone(), seed=1)
    changed = (moved != image).flatten(1).any(1)
    # Four standard deviations of a binomial count.
    assert abs(changed.sum() - 400 * probability) < 4 * (400 * probability * (1 - probability)) ** 0.5
    assert torch.equal(moved_mask[~changed], mask[~changed])
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_elastic_draws_differ_within_a_batch_and_move_a_share_of_the_side() -> None:
    def shift(size: int) -> float:
        ramp = torch.linspace(0, 1, size).expand(16, 3, size, size).clone()
        moved, _ = Augment(operations("elastic", size, p=1.0))(ramp.clone(), torch.zeros(16, size, size).long(), seed=5)
        assert not torch.equal(moved[0], moved[1])
        return (moved - ramp)[..., size // 4 : -size // 4].std().item()

    assert shift(64) == pytest.approx(shift(256), rel=0.05)
    assert 0.01 < shift(64) < 0.05


def test_same_seed_same_batch_whatever_others_draw() -> None:
    augment = Augment([*operations("elastic", 40, p=0.5), *operations("hflip", 40)])
    image, mask = batch()
    torch.manual_seed(1)
    first = augment(image.clone(), mask.clone(), seed=7)
    before = torch.get_rng_state()
    torch.rand(3)
    second = augment(image.clone(), mask.clone(), seed=7)
    other = augment(image.clone(), mask.clone(), seed=8)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])
    torch.set_rng_state(before)
    augment(image.clone(), mask.clone(), seed=9)
    assert torch.equal(torch.get_rng_state(), before)


def test_none_returns_the_batch_and_one_image_is_enough() -> None:
    image, mask = batch(count=1)
    same, same_mask = Augment(operations("none", 40))(image.clone(), mask.clone(), seed=0)
    assert torch.equal(same, image)
    assert torch.equal(same_mask, mask)
    moved, _ = Augment(operations("crop", 40, p=1.0))(image.clone(), mask.clone(), seed=0)
    assert moved.shape == image.shape


def test_an_operation_without_probability_is_refused() -> None:
    with pytest.raises(InputError, match="probability p"):
        Augment([{"_target_": "kornia.augmentation.RandomHorizontalFlip"}])
