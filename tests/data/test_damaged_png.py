"""Damaged PNG files are refused, and sound ones of any kind are read."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from decoding import understand
from PIL import Image, PngImagePlugin
from test_cache import data

from pets_seg.data import open_dataset
from pets_seg.data.levels import BadFileError
from pets_seg.data.pairs import Pair
from pets_seg.errors import InputError

SIZE = 48
GREY = picture(0, SIZE)[0].convert("L")
WIDE = Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257)
MASK = picture(0, SIZE)[1].point(lambda value: 255 * (value == 1))
TEXT = PngImagePlugin.PngInfo()
TEXT.add_text("Title", "x" * 100)
TEXT.add_itxt("Comment", "Kätzchen", zip=True)
TEXT.add(b"prVt", b"after the pixels", after_idat=True)
# Of an application, and unknown to Pillow.
TEXT.add(b"vpAg", b"before them")

SOUND = {
    "1-bit": (GREY.convert("1"), {}),
    "grey": (GREY, {}),
    "grey with alpha": (GREY.convert("LA"), {}),
    "16-bit": (WIDE, {}),
    "palette": (GREY.quantize(16), {}),
    "palette of 2 bits with transparency": (GREY.quantize(4), {"bits": 2, "transparency": b"\x80\xff"}),
    "colour": (GREY.convert("RGB"), {"compress_level": 0}),
    "colour with a transparent one": (GREY.convert("RGB"), {"transparency": (0, 0, 0)}),
    "alpha": (GREY.convert("RGBA"), {}),
    "texts and chunks after the pixels": (GREY, {"pnginfo": TEXT}),
    "tags and profile": (GREY, {"exif": Image.Exif(), "icc_profile": b"\0" * 200, "dpi": (72, 72)}),
    "animation": (GREY, {"save_all": True, "append_images": [MASK]}),
    "animation of other pixels": (GREY, {"save_all": True, "append_images": [MASK], "default_image": True}),
    "many chunks of pixels": (Image.effect_noise((700, 700), 90), {}),
}


def encoded(image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return content.getvalue()


def chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk and where its content begins and ends."""
    place = 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        yield content[place + 4 : place + 8], place + 8, place + 8 + length
        place += length + 12


def pair(folder: Path, image: bytes, mask: bytes) -> Pair:
    found = Pair("pet", folder / "pet.png", folder / "mask.png")
    found.image.write_bytes(image)
    found.trimap.write_bytes(mask)
    return found


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("behind", [b"", b"\n", b"\xff\x00" * 50], ids=["", "line", "more"])
def test_sound_files_are_read(tmp_path: Path, kind: str, behind: bytes) -> None:
    image, options = SOUND[kind]
    content = encoded(image, **options)
    mask = encoded(MASK.resize(image.size, Image.Resampling.NEAREST))
    seen = understand(pair(tmp_path, content + behind, mask), 32)[0]
    expected = (GREY if image is WIDE else image).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(seen.transpose(1, 2, 0), np.asarray(expected))


@pytest.mark.parametrize("kind", SOUND)
def test_a_flipped_bit_among_the_pixels_is_noticed(tmp_path: Path, kind: str) -> None:
    image, options = SOUND[kind]
    content = encoded(image, **options)
    mask = encoded(MASK.resize(image.size, Image.Resampling.NEAREST))
    generator = np.random.default_rng(0)
    for name, start, end in chunks(content):
        if name != b"IDAT":
            continue
        # Beside the pixels also the checksum itself.
        for place in generator.integers(start, end + 4, 20):
            damaged = bytearray(content)
            damaged[place] ^= 1 << generator.integers(8)
            with pytest.raises(BadFileError, match=r"^pet\.png: is damaged: its content does not fit its checksum; "):
                understand(pair(tmp_path, bytes(damaged), mask), 32)


@pytest.mark.parametrize("size", [SIZE, 700])
def test_a_file_whose_end_is_zero_is_noticed(tmp_path: Path, size: int) -> None:
    whole = encoded(GREY.resize((size, size), Image.Resampling.NEAREST), compress_level=0)
    mask = encoded(MASK.resize((size, size), Image.Resampling.NEAREST))
    for share in (0.3, 0.5, 0.9, 0.99):
        left = int(len(whole) * share)
        damaged = whole[:left] + b"\0" * (len(whole) - left)
        with pytest.raises(BadFileError, match=r"^mask\.png: is damaged: .*checksum"):
            understand(pair(tmp_path, mask, damaged), 32)
        with pytest.raises(BadFileError, match=r"^mask\.png: .*(truncated|Truncated)"):
            understand(pair(tmp_path, mask, whole[:left]), 32)


def test_a_file_without_pixels_is_refused(tmp_path: Path) -> None:
    whole = encoded(GREY)
    [(start, end)] = [(start, end) for kind, start, end in chunks(whole) if kind == b"IDAT"]
    with pytest.raises(BadFileError, match=r"^mask\.png: cannot load this image"):
        understand(pair(tmp_path, whole, whole[: start - 8] + whole[end + 4 :]), 32)


def test_a_damaged_mask_stops_the_command_unless_it_may_be_left_out(oxford: Path, tmp_path: Path) -> None:
    mask = oxford / "oxford-iiit-pet" / "annotations" / "trimaps" / "pet_3.png"
    content = bytearray(mask.read_bytes())
    content[next(start for name, start, _ in chunks(content) if name == b"IDAT") + 5] ^= 1
    mask.write_bytes(content)
    wanted = data(oxford, tmp_path / "cache")
    with pytest.raises(InputError, match=r"^1 of 24 pairs cannot be used: pet_3 \(pet_3\.png: is damaged: .*checksum"):
        open_dataset(wanted)
    assert len(open_dataset({**wanted, "skip_bad": True}).all) == 23
