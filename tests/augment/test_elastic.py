"""The coarse-grid elastic deformation, against independent implementations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import blocks
from scipy.ndimage import map_coordinates

from pets_seg.augment import RandomGridElastic


def shifted(operation: RandomGridElastic, height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Return the nodes' shifts of one draw and where each pixel is taken from, (2,H,W) in pixels, y first."""
    torch.manual_seed(seed)
    shifts = operation.generate_parameters((1, 3, height, width))["shifts"]
    fine = F.interpolate(shifts, size=(height, width), mode="bicubic", align_corners=True)[0].double().numpy()
    y, x = np.mgrid[:height, :width].astype(float)
    return shifts, np.stack((y + fine[1] * height / 2, x + fine[0] * width / 2))


@pytest.mark.parametrize(("height", "width"), [(40, 40), (33, 57)])
def test_it_takes_pixels_from_where_scipy_does(height: int, width: int) -> None:
    operation = RandomGridElastic(displacement=0.05, resample="BILINEAR", p=1.0)
    image, mask = torch.rand(1, 3, height, width), torch.randint(3, (1, 1, height, width)).float()
    _, places = shifted(operation, height, width, seed=1)
    torch.manual_seed(1)
    moved = operation(image)[0].numpy()
    for channel in range(3):
        # reflect is about the outer edge of the border pixels: (d c b a | a b c d | d c b a).
        expected = map_coordinates(image[0, channel].double().numpy(), places, order=1, mode="reflect")
        assert np.abs(moved[channel] - expected).max() < 1e-3
    moved_mask = operation.transform_masks(mask, params=operation._params, flags=operation.flags)[0, 0].numpy()
    expected = map_coordinates(mask[0, 0].numpy(), places, order=0, mode="reflect")
    # A place half-way between two pixels may be rounded either way.
    half_way = (np.abs(places - np.floor(places) - 0.5) < 1e-3).any(0)
    assert np.array_equal(moved_mask[~half_way], expected[~half_way])


def test_it_moves_the_same_share_of_the_side_at_every_size() -> None:
    operation = RandomGridElastic(displacement=0.03)
    small, large = (shifted(operation, size, size) for size in (64, 256))
    assert torch.equal(small[0], large[0])
    still = {size: np.mgrid[:size, :size] for size in (64, 256)}
    by_size = {size: (places - still[size]) / size for size, (_, places) in ((64, small), (256, large))}
    # Both grids have the corners of the image; between them the same smooth field is read at other places.
    coarse = torch.from_numpy(by_size[64])[None]
    fine = F.interpolate(coarse, size=(256, 256), mode="bicubic", align_corners=True)[0].numpy()
    assert np.abs(fine - by_size[256]).max() < 1e-3
    assert 0.01 < by_size[256].std() < 0.04


def test_pixels_move_as_far_as_displacement_says() -> None:
    size = 64
    ramp = torch.linspace(0, 1, size).expand(256, 3, size, size).clone()
    torch.manual_seed(0)
    for displacement in (0.01, 0.02):
        moved = RandomGridElastic(displacement=displacement, resample="BILINEAR", p=1.0)(ramp)
        # At the nodes the deviation is `displacement`, between them somewhat less.
        inner = (moved - ramp)[..., size // 4 : -size // 4].std().item()
        assert 0.7 * displacement < inner < displacement


def test_the_same_draw_is_replayed_on_another_size_and_image() -> None:
    operation = RandomGridElastic(displacement=0.0, p=1.0, resample="BILINEAR")
    for size in (32, 48, 32):
        image, _ = blocks(2, size)
        assert torch.allclose(operation(image), image, atol=1e-5)
    operation = RandomGridElastic(p=1.0)
    image, _ = blocks(2, 32)
    first = operation(image)
    operation(image.flip(-1))
    assert not torch.equal(operation(image), first)
    params = operation._params
    again = operation(image, params=params)
    assert torch.equal(operation(image, params=params), again)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"cells": 0}, "cells=0"),
        ({"displacement": -1}, "displacement=-1"),
        ({"displacement": 10}, "a share of the side"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomGridElastic(**setting)
