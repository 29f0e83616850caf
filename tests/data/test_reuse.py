"""Pixels that a cache holds already serve another request for the same files."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import picture, write_oxford
from PIL import Image
from test_cache import data
from test_index import COUNT, opened, read_files, wanted
from test_verify import DAMAGE, flip

from pets_seg.data import cache, ensure_decoded, open_dataset
from pets_seg.data.verify import ARRAYS
from pets_seg.errors import InputError

__all__ = ["read_files", "wanted"]


def anew(wanted: dict[str, Any], tmp_path: Path) -> tuple[torch.Tensor, ...]:
    """Return the pixels that an empty cache gets."""
    return opened({**wanted, "cache_dir": str(tmp_path / "empty")})[1:]


def remove(wanted: dict[str, Any], stem: str) -> None:
    for part in ("images", "masks"):
        (Path(wanted["root"]) / part / f"{stem}.png").unlink()


def test_one_pair_more_is_decoded_alone(wanted: dict[str, Any], read_files: list[str], tmp_path: Path) -> None:
    opened(wanted)
    root = Path(wanted["root"])
    image, trimap = picture(COUNT)
    image.save(root / "images" / "a055.png")
    trimap.point(lambda value: 255 * (value == 1)).save(root / "masks" / "a055.png")
    remove(wanted, "a11")
    read_files.clear()
    pixels = opened(wanted)[1:]
    assert set(read_files) == {"a055.png"}
    assert all(map(torch.equal, pixels, anew(wanted, tmp_path)))


def test_damaged_pixels_of_another_cache_are_decoded_again(
    wanted: dict[str, Any], read_files: list[str], tmp_path: Path
) -> None:
    folder = ensure_decoded(wanted)[0]
    # Byte 8000 of the data belongs to the third picture: 3 * 32 * 32 bytes each, after a header of 128.
    flip(folder / "images.npy", 128 + 8000)
    remove(wanted, "a20")
    read_files.clear()
    pixels = opened(wanted)[1:]
    assert set(read_files) == {"a02.png"}
    assert all(map(torch.equal, pixels, anew(wanted, tmp_path)))


@pytest.mark.parametrize("kind", DAMAGE)
def test_another_cache_may_be_damaged_in_any_way(wanted: dict[str, Any], tmp_path: Path, kind: str) -> None:
    folder = ensure_decoded(wanted)[0]
    name, harm = DAMAGE[kind]
    harm(folder / name)
    remove(wanted, "a21")
    assert all(map(torch.equal, opened(wanted)[1:], anew(wanted, tmp_path)))


def test_stamps_alone_change_the_index_alone(wanted: dict[str, Any]) -> None:
    folder = ensure_decoded(wanted)[0]
    arrays = {name: os.stat(folder / name) for name in ARRAYS}
    os.utime(Path(wanted["root"]) / "images" / "a05.png", ns=(1, 1))
    index = (folder / "index.json").read_bytes()
    assert ensure_decoded(wanted)[0] == folder
    assert {name: os.stat(folder / name) for name in ARRAYS} == arrays
    assert (folder / "index.json").read_bytes() != index


def test_a_cache_that_changes_while_it_is_opened_is_opened_again(
    wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_decoded(wanted)
    mask = Path(wanted["root"]) / "masks" / "a05.png"
    load, changed = np.load, []

    def late(*arguments: Any, **options: Any) -> Any:
        if not changed:
            # As if another process had seen the new mask first.
            changed.append(True)
            Image.new("L", (48, 48), 255).save(mask, "PNG")
            ensure_decoded(wanted)
        return load(*arguments, **options)

    monkeypatch.setattr(cache.np, "load", late)
    index, _, trimaps = opened(wanted)
    assert (trimaps[index.stems("all").index("a05")] == 1).all()


def test_a_value_that_a_source_does_not_know_is_named(tmp_path: Path) -> None:
    write_oxford(tmp_path)
    settings = data(tmp_path, tmp_path / "cache")
    trimap = tmp_path / "oxford-iiit-pet" / "annotations" / "trimaps" / "pet_3.png"
    Image.new("L", Image.open(trimap).size, 7).save(trimap)
    with pytest.raises(InputError, match=r"pet_3 \(pet_3.png: holds the value 7; its source knows 1, 2, 3\)"):
        open_dataset(settings)
    assert "pet_3" not in open_dataset({**settings, "skip_bad": True}).all.stems


def test_what_masks_mean_is_said_without_decoding_again(wanted: dict[str, Any], read_files: list[str]) -> None:
    masks = Path(wanted["root"]) / "masks"
    for number, path in enumerate(sorted(masks.iterdir())):
        content = np.asarray(Image.open(path)).astype(np.int64)
        # The last one in 16 bits, of so many values that they are divided while it is read.
        values = content * 200 + np.arange(48) if number == COUNT - 1 else np.where(content, 255, 128)
        Image.fromarray(values.astype(np.uint16 if number == COUNT - 1 else np.uint8)).save(path, "PNG")
    with pytest.raises(InputError, match="masks hold 0, 1, 2, 3"):
        opened(wanted)
    values = np.where(np.asarray(Image.open(masks / f"a{COUNT - 1}.png")) >= 255, 255, 128)
    Image.fromarray(values.astype(np.uint8)).save(masks / f"a{COUNT - 1}.png")
    read_files.clear()
    with pytest.raises(InputError, match=r"masks hold 128, 255 .*data\.mask_values"):
        opened(wanted)
    assert set(read_files) == {f"a{COUNT - 1}.png"}
    read_files.clear()
    said, images, trimaps = opened({**wanted, "mask_values": {"pet": [255]}})
    other, _, turned = opened({**wanted, "mask_values": {"pet": [128]}})
    divided, _, same = opened({**wanted, "mask_threshold": 200})
    assert read_files == []
    assert torch.equal(turned, 3 - trimaps)
    assert torch.equal(same, trimaps)
    assert said.digest == other.digest == divided.digest
    assert said.decoded == divided.decoded != other.decoded
    assert [index.masks("foreground").split(", pet")[0] for index in (said, other, divided)] == [
        "255 pet, 128 background",
        "128 pet, 255 background",
        "200 or more is pet",
    ]
    assert images.shape == (COUNT, 3, 32, 32)


def test_a_setting_decodes_again_what_depends_on_it(
    wanted: dict[str, Any], read_files: list[str], tmp_path: Path
) -> None:
    root = Path(wanted["root"])
    grey = np.asarray(Image.open(root / "images" / "a07.png").convert("L")).astype(np.uint16) * 16
    Image.fromarray(grey).save(root / "images" / "a07.png")
    # Of so many values that they are divided while the mask is read.
    ramp = (
        np.asarray(Image.open(root / "masks" / "a09.png")) * np.float32(0.8) + np.arange(48 * 48).reshape(48, -1) / 100
    )
    Image.fromarray(ramp.astype(np.float32)).save(root / "masks" / "a09.png", "TIFF")
    with pytest.raises(InputError, match=r"the 1 16-bit pictures hold values from .*data\.range=\[0,4095\]"):
        opened(wanted)
    read_files.clear()
    in_range = {**wanted, "range": [0, 4095], "skip_bad": True}
    assert "a09" not in opened(in_range)[0].stems("all")
    assert set(read_files) == {"a07.png", "a09.png"}
    for threshold in (20, 210):
        read_files.clear()
        index, _, trimaps = opened({**in_range, "mask_threshold": threshold})
        assert set(read_files) == {"a09.png"}
        pet = Image.fromarray((ramp.astype(np.float32) >= threshold).astype(np.uint8)).resize(
            (32, 32), Image.Resampling.NEAREST
        )
        assert np.array_equal(trimaps[index.stems("all").index("a09")] == 1, np.asarray(pet) == 1)


def test_an_opened_data_set_holds_what_was_there_when_it_was_opened(wanted: dict[str, Any]) -> None:
    dataset = open_dataset(wanted)
    before = dataset.all.images[dataset.all.rows].clone()
    path = Path(wanted["root"]) / "images" / "a05.png"
    path.write_bytes((path.parent / "a06.png").read_bytes())
    after = opened(wanted)[1]
    assert torch.equal(dataset.all.images[dataset.all.rows], before)
    assert not torch.equal(after, before)
