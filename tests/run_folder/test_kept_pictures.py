"""The file of pictures: what cannot be read is nothing, and no earlier file ends a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pets_seg.run_folder.pictures import Picture, add_pictures, read_pictures


def taken(count: int = 3, size: int = 8, seed: int = 0) -> list[Picture]:
    draw = np.random.default_rng(seed)
    return [
        (
            f"pet_{index}",
            draw.integers(256, size=(3, size, size), dtype=np.uint8),
            draw.integers(2, size=(size, size), dtype=np.uint8),
            draw.random((size, size)) < 0.5,
        )
        for index in range(count)
    ]


def same(one: list[Picture], other: list[Picture]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(a[0] == b[0] and all(map(np.array_equal, a[1:], b[1:])) for a, b in pairs)


def test_whatever_byte_is_damaged_it_is_read_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    add_pictures(tmp_path, 1, taken())
    file = tmp_path / "pictures.npz"
    whole, kept = file.read_bytes(), read_pictures(tmp_path)
    assert same(kept[1], taken())
    unread = 0
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        found = read_pictures(tmp_path)
        unread += not found
        assert all(same(found[epoch], kept[1]) for epoch in found), place
        # The next epoch can be added to it, whatever it is.
        if place % 70 == 0:
            add_pictures(tmp_path, 2, taken())
            assert same(read_pictures(tmp_path)[2], taken())
    assert unread > len(whole) / 7 / 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays | {"predicted": arrays["predicted"].astype(np.float32)},
        lambda arrays: arrays | {"predicted": arrays["predicted"][..., :-1]},
        lambda arrays: arrays | {"image": arrays["image"][:, :1]},
        lambda arrays: arrays | {"mask": arrays["mask"][0]},
        lambda arrays: arrays | {"image": np.uint8(7)},
        lambda arrays: arrays | {"epoch": np.array(1)},
        lambda arrays: arrays | {"stem": arrays["stem"][:1]},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_no_pictures(
    spoil: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path
) -> None:
    add_pictures(tmp_path, 1, taken())
    with np.load(tmp_path / "pictures.npz") as file:
        arrays = dict(file)
    np.savez_compressed(tmp_path / "pictures.npz", **spoil(arrays))
    assert read_pictures(tmp_path) == {}


@pytest.mark.parametrize("other", [taken(count=2), taken(count=4), taken(size=16), taken(seed=1)])
def test_earlier_epochs_of_other_images_are_dropped(other: list[Picture], tmp_path: Path) -> None:
    add_pictures(tmp_path, 1, other)
    add_pictures(tmp_path, 2, taken())
    [(epoch, kept)] = read_pictures(tmp_path).items()
    assert epoch == 2
    assert same(kept, taken())


def test_a_run_that_starts_anew_takes_no_pictures_of_an_older_version(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    stems, images, masks, predicted = map(np.stack, zip(*taken(), strict=True))
    file = tmp_path / "wandb" / "pictures.npz"
    np.savez_compressed(file, stem=stems, image=images, mask=masks, predicted=predicted)
    assert read_pictures(tmp_path) == {}
    assert [*read_pictures(tmp_path, last=3)] == [3]
    add_pictures(tmp_path, 1, taken())
    assert [*read_pictures(tmp_path)] == [1]
