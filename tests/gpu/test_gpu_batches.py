"""Batches and augmentation on CUDA are those of the CPU."""

import pytest
import torch
from conftest import aug_operations, blocks
from on_gpu import DEVICE, squares

import pets_seg.data.batches
from pets_seg.augment import Augment
from pets_seg.config.options import OWN
from pets_seg.data import Batches

pytestmark = pytest.mark.gpu
SIZE = 64
CPU = torch.device("cpu")


@pytest.mark.parametrize("aug", OWN.options("aug"))
def test_augmentation_is_that_of_the_cpu(aug: str) -> None:
    augment = Augment(aug_operations(aug, SIZE))
    for seed in range(4):
        image, mask = blocks(32, SIZE, seed)
        mask = mask.to(torch.uint8)
        on_device = [tensor.to(DEVICE, copy=True) for tensor in (image, mask)]
        # As if it was on the device already: both times it is drawn on the CPU.
        augment.noise_device = on_device[0].device
        before = image.clone()
        wanted_image, wanted_mask = augment(image, mask, seed)
        found_image, found_mask = augment(*on_device, seed)
        assert found_image.device.type == DEVICE.type
        assert (aug == "none") == torch.equal(wanted_image, before)
        torch.testing.assert_close(found_image.cpu(), wanted_image, rtol=0, atol=1e-4)
        assert found_mask.dtype == wanted_mask.dtype
        assert (found_mask.cpu() == wanted_mask).float().mean() >= 0.999


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("boundary", ["foreground", "ignore"])
def test_batches_are_those_of_the_cpu_bit_for_bit(
    boundary: str, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pets_seg.data.batches, "_fits", lambda split, device: resident)
    split = squares(24, SIZE)
    split.images.copy_(torch.randint(256, split.images.shape, dtype=torch.uint8))
    wanted, found = Batches(split, CPU, boundary), Batches(split, DEVICE, boundary)
    for indices in torch.randperm(24).split(10):
        for one, other in zip(found.take(indices), wanted.take(indices), strict=True):
            assert one.device.type == DEVICE.type
            assert one.dtype == other.dtype
            assert torch.equal(one.cpu(), other)
