"""Batches: the order of an epoch, and the masks of the three boundary rules."""

from pathlib import Path

import pytest
import torch
from conftest import write_oxford
from hypothesis import given, settings
from hypothesis import strategies as st

from pets_seg.data import Batches, open_dataset
from pets_seg.data.batches import epoch_batches


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 50), st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_an_epoch_holds_every_image_once_and_never_a_single_left_over(
    count: int, batch_size: int, seed: int, epoch: int
) -> None:
    batches = epoch_batches(count, batch_size, seed, epoch)
    assert sorted(torch.cat(batches).tolist()) == list(range(count))
    assert all(len(batch) == batch_size for batch in batches[:-1]) or len(batches) == 1
    if count > 1 and batch_size > 1:
        assert min(len(batch) for batch in batches) > 1


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    first = torch.cat(epoch_batches(50, 8, 0, 1))
    torch.rand(7)
    assert torch.equal(torch.cat(epoch_batches(50, 8, 0, 1)), first)
    assert torch.equal(torch.cat(epoch_batches(50, 5, 0, 1)), first)
    assert not torch.equal(torch.cat(epoch_batches(50, 8, 0, 2)), first)
    assert not torch.equal(torch.cat(epoch_batches(50, 8, 1, 1)), first)


@pytest.mark.parametrize(("boundary", "value"), [("foreground", 1), ("background", 0), ("ignore", 255)])
def test_boundary_rules(tmp_path: Path, boundary: str, value: int) -> None:
    write_oxford(tmp_path)
    data = {
        "name": "oxford_pet",
        "_target_": "pets_seg.data.sources.oxford_pet",
        "root": tmp_path,
        "download": False,
        "size": 40,
        "skip_bad": False,
        "cache_dir": None,
    }
    split = open_dataset(data).test
    image, mask = Batches(split, torch.device("cpu"), boundary).take(torch.tensor([2, 0]))
    trimap = split.trimaps(split.rows[[2, 0]])
    assert image.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert torch.equal((image * 255).round().to(torch.uint8), split.images[split.rows[[2, 0]]])
    for code, meaning in ((1, 1), (2, 0), (3, value)):
        assert (mask[trimap == code] == meaning).all()
        assert (trimap == code).any()
