"""Pictures of any type and orientation: scaled by the range that they use, turned as they are seen, or refused."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture
from decoding import understand
from PIL import Image
from test_unusual_files import chunk

from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.data.levels import BadFileError
from pets_seg.data.pairs import Pair
from pets_seg.errors import InputError

COUNT = 24


def write(root: Path, save: Callable[[np.ndarray, Path], object]) -> dict[str, Any]:
    """Write a folder of pairs whose grey pictures are saved by `save`, and return the `data` settings for it."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for index in range(COUNT):
        image, trimap = picture(index)
        save(np.asarray(image.convert("L")), root / "images" / f"a{index:02d}")
        trimap.save(root / "masks" / f"a{index:02d}.png")
    settings = {"name": "folder", "_target_": "pets_seg.data.sources.folder", "root": str(root), "size": 48}
    return {**settings, "split_seed": 3, "skip_bad": False, "cache_dir": str(root / "cache")}


def tiff(scale: float, kind: type, offset: float = 0) -> Callable[[np.ndarray, Path], object]:
    return lambda grey, path: Image.fromarray((grey.astype(float) * scale + offset).astype(kind)).save(f"{path}.tif")


def png16(scale: int) -> Callable[[np.ndarray, Path], object]:
    return lambda grey, path: Image.fromarray(grey.astype(np.uint16) * scale).save(f"{path}.png")


NARROW = {
    "16-bit of 8 bits": (png16(1), "16-bit", "[0,255]", [0, 255]),
    "16-bit of 12 bits": (png16(16), "16-bit", "[0,4095]", [0, 4080]),
    "32-bit of 8 bits": (tiff(1, np.int32), "32-bit", "[0,255]", [0, 255]),
    "float from 0 to 1": (tiff(1 / 255, np.float32), "float", "[0,1]", [0, 1]),
    "float from 0 to 65535": (tiff(257, np.float32), "float", "[0,65535]", [0, 65535]),
    "float around 0": (tiff(1 / 255, np.float32, -0.5), "float", r"[-0.5,1]", [-0.5, 0.5]),
}


@pytest.mark.parametrize("kind", NARROW)
def test_pictures_that_do_not_use_the_range_of_their_type_need_one(tmp_path: Path, kind: str) -> None:
    save, name, advised, value_range = NARROW[kind]
    wanted = write(tmp_path / "data", save)
    with pytest.raises(InputError) as refused:
        open_dataset(wanted)
    said = str(refused.value)
    assert said.startswith(f"data=folder: the {COUNT} {name} pictures hold values from ")
    assert f"data.range={advised}" in said
    dataset = open_dataset({**wanted, "range": value_range})
    plain = open_dataset(write(tmp_path / "plain", lambda grey, path: Image.fromarray(grey).save(f"{path}.png")))
    difference = dataset.all.images[dataset.all.rows].int() - plain.all.images[plain.all.rows].int()
    assert difference.abs().max() <= 1


FULL = {
    "16-bit": png16(257),
    "32-bit": tiff(257, np.int32),
    "float from 0 to 255": tiff(1, np.float32),
}


@pytest.mark.parametrize("kind", FULL)
def test_pictures_that_use_the_range_of_their_type_are_read_as_they_were(tmp_path: Path, kind: str) -> None:
    dataset = open_dataset(write(tmp_path / "data", FULL[kind]))
    plain = open_dataset(write(tmp_path / "plain", lambda grey, path: Image.fromarray(grey).save(f"{path}.png")))
    assert (dataset.all.images[dataset.all.rows].int() - plain.all.images[plain.all.rows].int()).abs().max() <= 1


@pytest.mark.parametrize("value_range", [[0, 100], [0, 65535 * 4], [100, 65535]])
def test_a_range_that_does_not_fit_is_refused(tmp_path: Path, value_range: list[float]) -> None:
    wanted = write(tmp_path, png16(64))
    with pytest.raises(InputError, match=r"which does not fit data\.range="):
        open_dataset({**wanted, "range": value_range})


@pytest.mark.parametrize("value_range", [[1], [3, 3], [5, 1], [1, 2, 3]])
def test_a_range_that_is_none_is_refused(tmp_path: Path, value_range: list[float]) -> None:
    with pytest.raises(InputError, match=r"^data\.range=.*black and white, e\.g\. data\.range=\[0,4095\]"):
        open_dataset({**write(tmp_path, png16(1)), "range": value_range})


def test_dark_pictures_of_8_bits_are_refused(tmp_path: Path) -> None:
    wanted = write(tmp_path, lambda grey, path: Image.fromarray(grey // 32).save(f"{path}.png"))
    with pytest.raises(InputError, match="8-bit pictures hold values from 0 to 7, of 0 to 255; save them so"):
        open_dataset(wanted)


def test_pictures_of_one_value_are_named(tmp_path: Path) -> None:
    def save(grey: np.ndarray, path: Path) -> None:
        plain = {"a07": Image.new("L", (48, 48), 9), "a08": Image.new("RGB", (48, 48), (200, 30, 10))}
        plain.get(path.name, Image.fromarray(grey)).save(f"{path}.png")

    assert ensure_decoded(write(tmp_path, save))[1].warnings() == ["2 pictures hold one value throughout: a07, a08"]


def test_one_hot_pixel_does_not_hide_dark_pictures(tmp_path: Path) -> None:
    def save(grey: np.ndarray, path: Path) -> None:
        wide = grey.astype(np.uint16) * 16
        if path.name == "a03":
            wide[0, 0] = 65535
        Image.fromarray(wide).save(f"{path}.png")

    with pytest.raises(InputError, match=r"16-bit pictures hold values from 0 to 65535, most of them a range of "):
        open_dataset(write(tmp_path, save))


def png_of_16_bit_colour(path: Path, values: np.ndarray) -> None:
    """Write what Pillow does not: a PNG of three channels (H,W,3) of 16 bits."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("scale", [1, 16])
def test_colour_of_16_bits_that_is_dark_is_refused(tmp_path: Path, scale: int) -> None:
    def save(grey: np.ndarray, path: Path) -> None:
        png_of_16_bit_colour(path.with_suffix(".png"), grey[..., None].repeat(3, 2).astype(np.uint16) * scale)

    wanted = write(tmp_path, save)
    with pytest.raises(
        InputError, match=r"24 16-bit colour pictures hold values from 0 to .*save them so that they use"
    ):
        open_dataset(wanted)
    with pytest.raises(InputError, match=r"data\.range does not apply: save them as 8-bit"):
        open_dataset({**wanted, "range": [0, 4095]})
    image, mask = tmp_path / "pet.png", tmp_path / "mask.png"
    Image.new("L", (48, 48), 0).save(image)
    png_of_16_bit_colour(mask, np.ones((48, 48, 3), np.uint16))
    with pytest.raises(BadFileError, match=r"^mask\.png: is of 16-bit colour"):
        understand(Pair("pet", image, mask), 32)


def test_tiff_files_that_store_white_as_0_are_refused_where_pillow_forgets_it(tmp_path: Path) -> None:
    image, mask = tmp_path / "pet.tif", tmp_path / "pet.png"
    Image.new("L", (48, 48), 0).save(mask)
    Image.fromarray(np.arange(48 * 48, dtype=np.uint16).reshape(48, 48)).save(image)
    content = bytearray(image.read_bytes())
    # The entry of tag 262, a short, in this order of bytes.
    place = content.index(struct.pack("<HHI", 262, 3, 1))
    content[place + 8 : place + 10] = struct.pack("<H", 0)
    image.write_bytes(content)
    with pytest.raises(BadFileError, match=r"^pet\.tif: stores white as 0"):
        understand(Pair("pet", image, mask), 32)
    with pytest.raises(BadFileError, match=r"^pet\.tif: stores white as 0"):
        understand(Pair("pet", mask, image), 32)


@pytest.mark.parametrize(
    ("form", "options"), [("WEBP", {"quality": 80}), ("AVIF", {}), ("JPEG", {}), ("TIFF", {"compression": "jpeg"})]
)
def test_masks_of_0_and_1_do_not_survive_a_lossy_format(tmp_path: Path, form: str, options: dict) -> None:
    image, mask = tmp_path / "pet.png", tmp_path / "mask.png"
    for save in (image, mask):
        picture(0)[1].point(lambda value: value == 1).save(save, form if save == mask else "PNG", **options)
    with pytest.raises(InputError, match=r"in a lossy format \(mask\.png\), which does not keep them apart"):
        understand(Pair("pet", image, mask), 32)


@pytest.mark.parametrize("suffix", [".jfif", ".ppm", ".avif", ".pgm"])
def test_more_kinds_of_files_are_read(tmp_path: Path, suffix: str) -> None:
    form = {".jfif": "JPEG", ".avif": "AVIF"}.get(suffix, "PPM")

    def save(grey: np.ndarray, path: Path) -> None:
        Image.fromarray(grey).save(f"{path}{suffix}", form, quality=95)

    assert len(open_dataset(write(tmp_path, save)).all) == COUNT


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\0\x18ftypheic" + b"\0" * 40, "but HEIC; save it as JPEG or PNG"),
        (b"8BPS" + b"\0" * 40, "but Photoshop; save it as JPEG or PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "but JPEG 2000; save it as JPEG or PNG"),
    ],
)
def test_kinds_that_are_not_read_are_named(tmp_path: Path, content: bytes, said: str) -> None:
    image, mask = tmp_path / "pet.jpg", tmp_path / "pet.png"
    image.write_bytes(content)
    Image.new("L", (48, 48), 0).save(mask)
    with pytest.raises(BadFileError, match=said):
        understand(Pair("pet", image, mask), 32)
