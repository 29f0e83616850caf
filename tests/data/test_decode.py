"""Files as they are found in the wild: read right, or refused with a reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from decoding import decode, understand
from PIL import ExifTags, Image

from pets_seg.data.levels import BadFileError
from pets_seg.data.pairs import Pair

Save = Callable[[Image.Image, Path], None]


def pair(
    folder: Path, save: Save | None = None, save_trimap: Save | None = None, size: tuple[int, int] = (64, 64)
) -> Pair:
    image, trimap = (part.resize(size, Image.Resampling.NEAREST) for part in picture(0, 64))
    found = Pair("pet", folder / "pet.jpg", folder / "pet.png")
    (save or (lambda picture, path: picture.save(path, quality=95)))(image, found.image)
    (save_trimap or (lambda picture, path: picture.save(path)))(trimap, found.trimap)
    return found


def reference(size: int = 32) -> np.ndarray:
    image, _ = picture(0, 64)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)


def rgba(image: Image.Image) -> Image.Image:
    image.putalpha(200)
    return image


READABLE = {
    "jpeg": lambda image, path: image.save(path, quality=95),
    "png named jpg": lambda image, path: image.save(path, "PNG"),
    "gif named jpg": lambda image, path: image.quantize(256).save(path, "GIF"),
    "rgba": lambda image, path: rgba(image).save(path, "PNG"),
    "cmyk": lambda image, path: image.convert("CMYK").save(path, "JPEG", quality=95),
    "palette with transparency": lambda image, path: image.quantize(256).save(path, "PNG", transparency=b"\x80" * 9),
}


@pytest.mark.parametrize("form", READABLE)
def test_what_can_be_read_is_read_right(tmp_path: Path, form: str) -> None:
    image, trimap = decode(pair(tmp_path, READABLE[form]), 32)
    assert image.dtype == trimap.dtype == np.uint8
    assert image.shape == (3, 32, 32)
    assert np.abs(image.astype(int) - reference()).mean() < 8
    assert set(np.unique(trimap)) == {1, 2, 3}


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_images(tmp_path: Path, depth: int) -> None:
    def save(image: Image.Image, path: Path) -> None:
        grey = np.asarray(image.convert("L"))
        wide = grey if depth == 8 else grey.astype(np.uint16) * 257
        Image.fromarray(wide).save(path, "PNG")

    image, _ = decode(pair(tmp_path, save), 32)
    assert (image[0] == image[1]).all()
    assert np.abs(image.astype(int).mean(0) - reference().mean(0)).mean() < 8


def exif(image: Image.Image, path: Path, orientation: int = 6) -> None:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    # Orientation 6 says: turn clockwise to view. So store the view turned the other way.
    image.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=tags)


def test_an_image_is_turned_as_exif_says_if_its_trimap_was_drawn_so(tmp_path: Path) -> None:
    upright, trimap = decode(pair(tmp_path, size=(96, 48)), 32)
    turned, same = decode(pair(tmp_path, exif, size=(96, 48)), 32)
    assert np.abs(turned.astype(int) - upright).mean() < 8
    assert (same == trimap).all()


def test_an_image_is_left_as_stored_if_its_trimap_was_drawn_on_that(tmp_path: Path) -> None:
    def turned(trimap: Image.Image, path: Path) -> None:
        trimap.transpose(Image.Transpose.ROTATE_90).save(path)

    found = pair(tmp_path, exif, turned, size=(96, 48))
    image, trimap = decode(found, 32)
    bright = image.astype(int).mean(0) > 120
    assert (bright == (trimap != 2)).mean() > 0.9


@pytest.mark.parametrize("factor", [0.5, 2])
def test_a_trimap_of_another_size_covers_the_whole_image(tmp_path: Path, factor: float) -> None:
    def scaled(trimap: Image.Image, path: Path) -> None:
        trimap.resize((int(64 * factor),) * 2, Image.Resampling.NEAREST).save(path)

    _, trimap = decode(pair(tmp_path, save_trimap=scaled), 32)
    _, expected = decode(pair(tmp_path), 32)
    assert (trimap == expected).mean() > 0.95


def test_a_trimap_without_a_pet_is_kept(tmp_path: Path) -> None:
    empty = Image.new("L", (64, 64), 2)
    _, trimap = decode(pair(tmp_path, save_trimap=lambda _, path: empty.save(path)), 32)
    assert (trimap == 2).all()
    empty = Image.new("L", (64, 64), 0)
    _, trimap = understand(pair(tmp_path, save_trimap=lambda _, path: empty.save(path)), 32)
    assert (trimap == 2).all()


def truncated(image: Image.Image, path: Path) -> None:
    image.save(path, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


UNREADABLE = {
    "truncated": (truncated, None, "pet.jpg: .*truncated"),
    "empty file": (lambda _, path: path.write_bytes(b""), None, "pet.jpg: not an image"),
    "text": (lambda _, path: path.write_text("hello"), None, "pet.jpg: not an image"),
    "absent": (lambda *_: None, None, "pet.jpg: is not there"),
    "trimap absent": (None, lambda *_: None, "pet.png: is not there"),
    "trimap empty file": (None, lambda _, path: path.write_bytes(b""), "pet.png: not an image"),
    "trimap of another shape": (
        None,
        lambda trimap, path: trimap.resize((64, 32)).save(path),
        "does not fit its image",
    ),
    "grey levels": (
        None,
        lambda trimap, path: trimap.point(lambda v: v * 40).save(path),
        "holds the value 40; its source knows 1, 2, 3",
    ),
    "colours": (None, lambda _, path: picture(0, 64)[0].save(path), "is a colour picture"),
}


@pytest.mark.parametrize("form", UNREADABLE)
def test_what_cannot_be_read_says_which_file_and_why(tmp_path: Path, form: str) -> None:
    save, save_trimap, reason = UNREADABLE[form]
    with pytest.raises(BadFileError, match=reason):
        decode(pair(tmp_path, save, save_trimap), 32)
