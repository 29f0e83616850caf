"""Photographs to be segmented: read at their own size, turned as their orientation tags say."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, ImageOps

from pets_seg.data.decode import bad_files, is_deep, read_picture, refuse_inverted, refuse_large, verify_png
from pets_seg.data.levels import BadFileError
from pets_seg.data.orientation import orientation
from pets_seg.data.picture_range import FULL, LEAST_OF_GIVEN, LEAST_USED, WIDE, Extent, to_rgb

# Of these the colours of an ICC profile are red, green and blue.
RGB_MODES = ("RGB", "RGBA", "P")


def read_photo(path: Path, value_range: Sequence[float] | None = None) -> Image.Image:
    """Return the photograph in a file as RGB; BadFileError for one that cannot be used.

    `value_range` are the values of black and white of pictures of more than 8 bits, by default those of their type.
    """
    image, info = read_picture(path, lambda file, lossy: _upright(file, value_range))[1]
    image.info = info
    return image


def photo_of(picture: Image.Image, value_range: Sequence[float] | None = None) -> Image.Image:
    """Return a picture of Pillow's, opened or made, as `read_photo` does its file, without changing it."""
    path = getattr(picture, "filename", "")
    with bad_files(Path(path).name if path and isinstance(path, str) else "the picture"):
        refuse_large(picture)
        if not picture.width * picture.height:
            raise BadFileError("has no pixels")
        if isinstance(picture, ImageFile.ImageFile) and picture.format == "PNG" and picture.tile and picture.fp:
            place = picture.fp.tell()
            picture.fp.seek(0)
            verify_png(io.BytesIO(picture.fp.read()))
            picture.fp.seek(place)
        image, info = _upright(picture, value_range)
        image = image.copy() if image is picture else image
    image.info = info
    return image


def _upright(
    file: Image.Image, value_range: Sequence[float] | None
) -> tuple[Image.Image, dict[str | tuple[int, int], Any]]:
    """Return a picture in RGB, and what is kept of its `info`."""
    deep = is_deep(file)
    refuse_inverted(file)
    profile = file.info.get("icc_profile") if file.mode in RGB_MODES else None
    # Pillow turns TIFF files itself.
    turned = file if file.format == "TIFF" or orientation(file) == 1 else ImageOps.exif_transpose(file)
    image, extent = to_rgb(turned, value_range, deep)
    if extent.kind != "8-bit":
        _refuse_other_range(extent.of(image), value_range)
    return image, {"icc_profile": profile} if profile else {}


def _refuse_other_range(extent: Extent, value_range: Sequence[float] | None) -> None:
    """Raise BadFileError for values that were made with another range, by the rules of pictures of a training."""
    kind, given = extent.kind, value_range if extent.kind in WIDE else None
    first, last = given or FULL[kind]
    low, high = extent.low or 0, extent.high or 0
    # What few pixels hold beyond a given range becomes white.
    beyond = (extent.most or 0) > last if given else high > last
    least = LEAST_OF_GIVEN if given else LEAST_USED[kind]
    if low < first or beyond or high - low < least * (last - first):
        raise BadFileError(
            f"is a {kind} picture whose values from {low:g} to {high:g} do not use {first:g} to {last:g}; "
            "save it so that they do"
        )
