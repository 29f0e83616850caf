"""Whatever is composed, at whatever size: the properties of single operations hold."""

from typing import Any

import pytest
import torch
from conftest import blocks
from hypothesis import given, settings
from hypothesis import strategies as st

from pets_seg.augment import Augment, check_operations

K = "kornia.augmentation."
angles = st.floats(0, 180)
shares = st.floats(0, 0.4)


@st.composite
def geometric(draw: st.DrawFn, size: int) -> dict[str, Any]:
    """Return an operation that moves pixels, resampled to the nearest pixel."""
    near = {"resample": "NEAREST"}
    align = {"align_corners": draw(st.booleans())}
    padding = {"padding_mode": draw(st.sampled_from(["ZEROS", "BORDER", "REFLECTION"]))}
    return draw(
        st.sampled_from(
            [
                {"_target_": f"{K}RandomHorizontalFlip"},
                {"_target_": f"{K}RandomVerticalFlip"},
                {"_target_": f"{K}RandomRotation", "degrees": draw(angles), **near, **align},
                {"_target_": f"{K}RandomRotation90", "times": [1, 3], **near},
                {"_target_": f"{K}RandomAffine", "degrees": draw(angles), "translate": [draw(shares), draw(shares)],
                 "scale": [0.7, 1.4], "shear": draw(st.floats(0, 30)), **near, **padding},
                {"_target_": f"{K}RandomPerspective", "distortion_scale": draw(shares), **near},
                {"_target_": f"{K}RandomResizedCrop", "size": [size, size], "scale": [0.3, 1.0], **near,
                 "cropping_mode": draw(st.sampled_from(["slice", "resample"])), "align_corners": False},
                {"_target_": f"{K}RandomElasticTransform", "alpha": [5.0, 5.0], **near, **align},
                {"_target_": "pets_seg.augment.RandomGridElastic", "cells": draw(st.integers(1, 8)),
                 "displacement": draw(st.floats(0, 0.3)), **near},
            ]
        )
    )  # fmt: skip


@st.composite
def compositions(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int, int, int]:
    """Return operations, the size of images, their number and a seed."""
    size = draw(st.integers(32, 70))
    entries = []
    for _ in range(draw(st.integers(0, 4))):
        members = draw(st.lists(geometric(size), min_size=1, max_size=3))
        p = {"p": draw(st.floats(0, 1))}
        entries.append({**members[0], **p} if len(members) == 1 else {"one_of": members, **p})
    return entries, size, draw(st.integers(1, 7)), draw(st.integers(0, 2**62))


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(compositions())
def test_image_and_mask_stay_together_and_the_seed_decides(
    composition: tuple[list[dict[str, Any]], int, int, int],
) -> None:
    entries, size, count, seed = composition
    check_operations(entries, size)
    _, mask = blocks(count, size, seed % 1000)
    image = (mask / 255).unsqueeze(1).repeat(1, 3, 1, 1)
    kept, kept_mask = Augment(entries, keep_original=True)(image, mask, seed)
    moved, moved_mask = Augment(entries)(image.clone(), mask.clone(), seed)
    assert torch.equal((moved[:, 0] * 255).round().long(), moved_mask)
    assert set(moved_mask.unique().tolist()) <= {0, 1, 255}
    assert torch.equal(kept[:count], image)
    assert torch.equal((kept[:, 0] * 255).round().long(), kept_mask)
    # Every image is as it was or is among the appended copies.
    copies = iter(kept_mask[count:])
    latest = next(copies, None)
    for index in range(count):
        if latest is not None and torch.equal(moved_mask[index], latest):
            latest = next(copies, None)
        else:
            assert torch.equal(moved_mask[index], mask[index])
            assert torch.equal(moved[index], image[index])
    assert latest is None
