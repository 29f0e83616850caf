"""Pixels that a cache holds already serve another request for the same files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import picture
from PIL import Image
from test_index import COUNT, opened, read_files, wanted
from test_verify import flip

from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.errors import InputError

__all__ = ["read_files", "wanted"]


def anew(wanted: dict[str, Any], tmp_path: Path) -> tuple[torch.Tensor, ...]:
    """Return the pixels that an empty cache gets."""
    return opened({**wanted, "cache_dir": str(tmp_path / "empty")})[1:]


def test_one_pair_more_is_decoded_alone(wanted: dict[str, Any], read_files: list[str], tmp_path: Path) -> None:
    opened(wanted)
    root = Path(wanted["root"])
    image, trimap = picture(COUNT)
    image.save(root / "images" / "a055.png")
    trimap.point(lambda value: 255 * (value == 1)).save(root / "masks" / "a055.png")
    (root / "images" / "a11.png").unlink()
    (root / "masks" / "a11.png").unlink()
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
    (Path(wanted["root"]) / "images" / "a20.png").unlink()
    (Path(wanted["root"]) / "masks" / "a20.png").unlink()
    read_files.clear()
    pixels = opened(wanted)[1:]
    assert set(read_files) == {"a02.png"}
    assert all(map(torch.equal, pixels, anew(wanted, tmp_path)))
    for name in ("images.npy", "index.json"):
        for other in folder.parent.glob(f"*/{name}"):
            other.write_bytes(other.read_bytes()[:500])
    (Path(wanted["root"]) / "images" / "a21.png").unlink()
    (Path(wanted["root"]) / "masks" / "a21.png").unlink()
    assert all(map(torch.equal, opened(wanted)[1:], anew(wanted, tmp_path)))


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
    assert said.pixels == divided.pixels != other.pixels
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
    ramp = np.asarray(Image.open(root / "masks" / "a09.png")).astype(np.uint16) * 200 + np.arange(48 * 48).reshape(
        48, -1
    )
    Image.fromarray(ramp.astype(np.uint16)).save(root / "masks" / "a09.png", "PNG")
    with pytest.raises(InputError, match=r"the 1 16-bit pictures hold values from .*data\.range=\[0,4095\]"):
        opened(wanted)
    read_files.clear()
    in_range = {**wanted, "range": [0, 4095], "skip_bad": True}
    assert "a09" not in opened(in_range)[0].stems("all")
    assert set(read_files) == {"a07.png", "a09.png"}
    for threshold in (3000, 20000):
        read_files.clear()
        index, _, trimaps = opened({**in_range, "mask_threshold": threshold})
        assert set(read_files) == {"a09.png"}
        pet = Image.fromarray((ramp >= threshold).astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST)
        assert np.array_equal(trimaps[index.stems("all").index("a09")] == 1, np.asarray(pet) == 1)


def test_an_opened_data_set_holds_what_was_there_when_it_was_opened(wanted: dict[str, Any]) -> None:
    dataset = open_dataset(wanted)
    before = dataset.all.images[dataset.all.rows].clone()
    path = Path(wanted["root"]) / "images" / "a05.png"
    path.write_bytes((path.parent / "a06.png").read_bytes())
    after = opened(wanted)[1]
    assert torch.equal(dataset.all.images[dataset.all.rows], before)
    assert not torch.equal(after, before)
