"""Files that are no image, claim too much, or hold more than one: read right or refused, without waiting for them."""

import os
import resource
import socket
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from child import refusal
from conftest import picture
from decoding import decode, understand
from PIL import Image
from test_cache import data
from test_decode import pair

from pets_seg.data import open_dataset, read_source
from pets_seg.data.decode import MAX_PIXELS
from pets_seg.data.levels import BadFileError
from pets_seg.data.pairs import Pair
from pets_seg.data.trimap import MaskRule
from pets_seg.errors import InputError, printable


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claims(path: Path, width: int, height: int) -> None:
    """Write a PNG that claims a size and holds a few bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b""))


def bind(path: Path) -> None:
    place = os.getcwd()
    # The name of a socket may have 107 characters.
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)
    os.chdir(place)


NO_FILES = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": bind,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "PostScript": lambda path: picture(0)[0].save(path, "EPS"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("part", ["image", "trimap"])
def test_what_is_no_image_file_is_refused_without_waiting(tmp_path: Path, kind: str, part: str) -> None:
    found = pair(tmp_path)
    path = getattr(found, part)
    path.unlink()
    NO_FILES[kind](path)
    reason = "not a regular file|not an image|is not there|Too many levels of symbolic links"
    with pytest.raises(BadFileError, match=f"^{path.name}: ({reason})$"):
        decode(found, 32)


@pytest.mark.timeout(20)
def test_a_list_that_is_a_pipe_is_refused_without_waiting(oxford: Path) -> None:
    path = oxford / "oxford-iiit-pet" / "annotations" / "test.txt"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"test\.txt: cannot be read \(not a regular file\)"):
        read_source(data(oxford, oxford))


def test_a_file_that_may_not_be_read_is_named_until_it_may(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    image = oxford / "oxford-iiit-pet" / "images" / "pet_3.jpg"
    image.chmod(0)
    assert "1 of 24 pairs cannot be used: pet_3 (pet_3.jpg: Permission denied)" in refusal(lambda: open_dataset(wanted))
    image.chmod(0o644)
    assert refusal(lambda: open_dataset(wanted)).startswith("no error")


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (1, MAX_PIXELS + 1), (2**31 - 1, 2**31 - 1)])
def test_a_file_that_claims_too_many_pixels_takes_no_memory(tmp_path: Path, width: int, height: int) -> None:
    found = pair(tmp_path)
    claims(found.image, width, height)

    def limited() -> bool:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000,) * 2)
        started = time.monotonic()
        with pytest.raises(BadFileError, match=r"^pet\.jpg: has more than 89478485 pixels; make it smaller$"):
            decode(found, 32)
        return time.monotonic() - started < 5

    assert refusal(limited) == "no error: True"


def test_an_image_of_as_many_pixels_as_are_read_is_read(tmp_path: Path) -> None:
    found = pair(tmp_path)
    Image.new("L", (1, 1_000_000), 7).save(found.image, "PNG")
    Image.new("1", (1, 1_000_000), 1).save(found.trimap)
    image, trimap = decode(found, 32, MaskRule({0: 2, 255: 1}, ""))
    assert (image == 7).all()
    assert (trimap == 1).all()


def test_no_warning_is_shown_while_images_are_decoded(oxford: Path, tmp_path: Path) -> None:
    wanted = data(oxford, tmp_path / "cache")
    too_large = read_source(wanted).splits["train"][0]
    claims(too_large.image, 10_000, 10_000)
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with pytest.raises(BadFileError, match="has more than"):
            decode(too_large, 32)
        assert shown.pop().category is Image.DecompressionBombWarning
        with pytest.raises(InputError, match=r"1 of 24 .*: has more than"):
            open_dataset(wanted)
        assert shown == []


SEVERAL = {
    "GIF": lambda frames, path: frames[0].save(path, "GIF", save_all=True, append_images=frames[1:]),
    "APNG": lambda frames, path: frames[0].save(path, "PNG", save_all=True, append_images=frames[1:]),
    "TIFF": lambda frames, path: frames[0].save(path, "TIFF", save_all=True, append_images=frames[1:]),
    "WEBP": lambda frames, path: frames[0].save(path, "WEBP", save_all=True, append_images=frames[1:], lossless=True),
    "MPO": lambda frames, path: frames[0].save(path, "MPO", save_all=True, append_images=frames[1:], quality=95),
}


@pytest.mark.parametrize("form", SEVERAL)
def test_of_several_frames_the_first_is_read(tmp_path: Path, form: str) -> None:
    other = Image.new("RGB", (64, 64), "white")
    image, _ = decode(pair(tmp_path, lambda image, path: SEVERAL[form]([image, other], path)), 64)
    assert np.abs(image.astype(int) - np.asarray(picture(0, 64)[0]).transpose(2, 0, 1)).mean() < 30
    if form in ("WEBP", "MPO"):
        return
    # Which of them is the mask, nobody knows.
    black = Image.new("L", (64, 64), 0)

    def save(trimap: Image.Image, path: Path) -> None:
        SEVERAL[form]([trimap.point(lambda value: 255 * (value == 1)), black], path)

    with pytest.raises(BadFileError, match=r"^pet\.png: has 2 pages; save the one that is the mask$"):
        understand(pair(tmp_path, save_trimap=save), 64)


def test_a_mask_of_one_pixel_and_of_one_row(tmp_path: Path) -> None:
    _, trimap = decode(pair(tmp_path, size=(1, 1)), 32)
    assert len(np.unique(trimap)) == 1
    found = pair(tmp_path, size=(200, 1))
    image, trimap = decode(found, 32)
    assert (trimap == trimap[0]).all()
    assert (image == image[:, :1]).all()
    assert (trimap[0] == np.asarray(Image.open(found.trimap).resize((32, 1), Image.Resampling.NEAREST))).all()


def as_type(kind: type, scale: int = 1) -> Callable[[Image.Image, Path], None]:
    form = "PNG" if kind is np.uint16 else "TIFF"
    return lambda trimap, path: Image.fromarray(np.asarray(trimap).astype(kind) * kind(scale)).save(path, form)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_masks_of_wider_types(tmp_path: Path, kind: type) -> None:
    _, trimap = decode(pair(tmp_path, save_trimap=as_type(kind)), 64)
    assert (trimap == np.asarray(picture(0, 64)[1])).all()
    with pytest.raises(BadFileError, match=r"^pet\.png: holds the value 300; its source knows 1, 2, 3$"):
        decode(pair(tmp_path, save_trimap=as_type(kind, 300)), 64)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    spoilt = np.ones((64, 64), np.float32)
    spoilt[5, 5] = value
    found = pair(tmp_path, save_trimap=lambda _, path: Image.fromarray(spoilt).save(path, "TIFF"))
    with pytest.raises(BadFileError, match=r"^pet\.png: holds values that are not finite$"):
        decode(found, 32)
    found = pair(tmp_path, save=lambda _, path: Image.fromarray(spoilt).save(path, "TIFF"))
    with pytest.raises(BadFileError, match=r"^pet\.jpg: holds values that are not finite$"):
        decode(found, 32)


def test_names_leave_the_terminal_as_it_is(tmp_path: Path) -> None:
    name = "\x1b[2J\x07\u202e\udcff\n.jpg"
    with pytest.raises(BadFileError) as refused:
        decode(Pair("pet", tmp_path / name, pair(tmp_path).trimap), 32)
    assert str(refused.value) == "\\x1b[2J\\x07\\u202e\\udcff\\n.jpg: is not there"
    assert printable("Kätzchen 猫.jpg") == "Kätzchen 猫.jpg"
    assert len(printable("\0" * 10_000)) < 400


def test_a_name_too_long_for_the_file_system_is_one_of_the_bad_files(oxford: Path, tmp_path: Path) -> None:
    lists = oxford / "oxford-iiit-pet" / "annotations" / "test.txt"
    lists.write_text(lists.read_text() + "x" * 5000 + "\n")
    with pytest.raises(InputError, match=r"^1 of 25 pairs cannot be used: x{300}\.\.\. \(x{300}\.\.\.: File name too"):
        open_dataset(data(oxford, tmp_path / "cache"))
