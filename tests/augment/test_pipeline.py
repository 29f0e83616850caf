"""Image and mask move together, image by image, as the seed says."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from conftest import aug_operations, blocks
from scipy.stats import binomtest

from pets_seg.augment import Augment

GEOMETRIC = ["hflip", "vflip", "elastic", "crop", "rotate", "elastic_or_crop", "elastic_stock", "strong"]
OPTIONS = ["none", "color", *GEOMETRIC]
INTENSITY = ("ColorJitter", "RandomGrayscale", "RandomGaussianNoise", "RandomGaussianBlur")


def moves(entry: dict[str, Any]) -> bool:
    return not entry.get("_target_", entry.get("one_of", [entry])[0].get("_target_")).endswith(INTENSITY)


def nearest(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose image is resampled to the nearest pixel, as masks are, and that is always drawn."""
    if "one_of" in entry:
        return {
            "p": 1.0,
            "one_of": [{k: v for k, v in nearest(member).items() if k != "p"} for member in entry["one_of"]],
        }
    flip = entry["_target_"].endswith("Flip")
    return {**entry, "p": 1.0} if flip else {**entry, "p": 1.0, "resample": "NEAREST"}


@pytest.mark.parametrize("option", GEOMETRIC)
@pytest.mark.parametrize(("count", "size"), [(8, 40), (8, 33), (1, 64), (3, 47)])
def test_mask_fed_as_image_moves_bit_for_bit_as_the_mask(option: str, count: int, size: int) -> None:
    _, mask = blocks(count, size)
    image = (mask / 255).unsqueeze(1).repeat(1, 3, 1, 1)
    augment = Augment([nearest(entry) for entry in aug_operations(option, size) if moves(entry)])
    for seed in range(5):
        moved, moved_mask = augment(image.clone(), mask.clone(), seed)
        assert torch.equal((moved * 255).round().long(), moved_mask.unsqueeze(1).expand_as(moved))
        assert set(moved_mask.unique().tolist()) <= {0, 1, 255}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(("count", "size"), [(16, 40), (1, 33), (5, 37)])
def test_values_stay_in_their_range_and_ignored_pixels_survive(option: str, count: int, size: int) -> None:
    image, mask = blocks(count, size)
    # Only 0 and 1, where bicubic resampling overshoots most.
    image = image.round()
    augment = Augment([{**entry, "p": 1.0} for entry in aug_operations(option, size)])
    moved, moved_mask = augment(image.clone(), mask.clone(), seed=4)
    assert moved.shape == image.shape
    assert moved.dtype == torch.float32
    assert moved_mask.shape == mask.shape
    assert moved_mask.dtype == mask.dtype
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved.isfinite().all()
    assert set(moved_mask.unique().tolist()) <= {0, 1, 255}
    assert (moved_mask == 255).any()
    if option == "color":
        assert torch.equal(moved_mask, mask)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in ("none", "strong")])
def test_the_share_of_images_moved_is_p_and_the_others_are_untouched(option: str) -> None:
    image, mask = blocks(200, 32)
    [entry] = aug_operations(option, 32)
    augment = Augment([entry])
    changed = 0
    for seed in range(15):
        moved, moved_mask = augment(image.clone(), mask.clone(), seed)
        drawn = (moved != image).flatten(1).any(1)
        changed += int(drawn.sum())
        # What has not changed as an image has not changed as a mask.
        assert torch.equal(moved_mask[~drawn], mask[~drawn])
    assert binomtest(changed, 15 * 200, entry["p"]).pvalue > 1e-4


def test_a_one_of_group_draws_an_image_once_and_its_members_equally_often() -> None:
    # Brighter or darker: the sign of the change tells which member an image underwent.
    shades = [{"_target_": "kornia.augmentation.RandomBrightness", "brightness": [b, b]} for b in (1.2, 0.8)]
    augment = Augment([{"p": 0.3, "one_of": shades}])
    image, mask = torch.full((3000, 3, 4, 4), 0.5), torch.zeros(3000, 4, 4, dtype=torch.long)
    change = (augment(image.clone(), mask, seed=2)[0] - image)[:, 0, 0, 0]
    up, down = int((change > 0.1).sum()), int((change < -0.1).sum())
    assert int((change == 0).sum()) == 3000 - up - down
    assert binomtest(up + down, 3000, 0.3).pvalue > 1e-4
    assert binomtest(up, up + down, 0.5).pvalue > 1e-4


def test_elastic_or_crop_is_made_of_elastic_and_crop() -> None:
    [group] = aug_operations("elastic_or_crop", 64)
    alone = [*aug_operations("elastic", 64), *aug_operations("crop", 64)]
    assert group["one_of"] == [{key: value for key, value in entry.items() if key != "p"} for entry in alone]
    assert {group["p"]} == {entry["p"] for entry in alone}


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in ("none", "hflip", "vflip")])
def test_draws_differ_within_a_batch(option: str) -> None:
    image, mask = blocks(1, 40)
    augment = Augment([{**entry, "p": 1.0} for entry in aug_operations(option, 40)])
    moved, _ = augment(image.repeat(6, 1, 1, 1), mask.repeat(6, 1, 1), seed=0)
    for first in range(6):
        for second in range(first):
            assert not torch.equal(moved[first], moved[second])


@pytest.mark.parametrize("option", ["strong", "elastic_stock"])
def test_same_seed_same_batch_whatever_others_draw(option: str) -> None:
    augment = Augment(aug_operations(option, 40))
    image, mask = blocks()
    first = augment(image.clone(), mask.clone(), seed=7)
    for others in (torch.manual_seed, random.seed, np.random.seed):
        others(5)
    before = torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()
    second = augment(image.clone(), mask.clone(), seed=7)
    assert (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()) == before
    other = augment(image.clone(), mask.clone(), seed=8)
    # Another object, as after a restart.
    third = Augment(aug_operations(option, 40))(image.clone(), mask.clone(), seed=7)
    for again in (second, third):
        assert torch.equal(first[0], again[0])
        assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("option", OPTIONS)
def test_with_keep_original_the_copies_of_the_drawn_images_are_appended(option: str) -> None:
    image, mask = blocks(40, 32)
    operations = aug_operations(option, 32)
    replaced, replaced_mask = Augment(operations)(image.clone(), mask.clone(), seed=3)
    kept, kept_mask = Augment(operations, keep_original=True)(image.clone(), mask.clone(), seed=3)
    assert torch.equal(kept[:40], image)
    assert torch.equal(kept_mask[:40], mask)
    drawn = (replaced != image).flatten(1).any(1)
    assert torch.equal(kept[40:], replaced[drawn])
    assert torch.equal(kept_mask[40:], replaced_mask[drawn])
    assert drawn.any() == (option != "none")


def test_none_returns_the_batch() -> None:
    image, mask = blocks(count=1)
    same, same_mask = Augment(aug_operations("none", 40))(image.clone(), mask.clone(), seed=0)
    assert torch.equal(same, image)
    assert torch.equal(same_mask, mask)
