"""Photographs to be segmented: read at their own size, turned as their orientation tags say."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from pets_seg.data.decode import is_deep, read_picture, refuse_inverted
from pets_seg.data.levels import BadFileError
from pets_seg.data.orientation import orientation
from pets_seg.data.picture_range import FULL, LEAST_USED, to_rgb

# Of these the colours of an ICC profile are red, green and blue.
RGB_MODES = ("RGB", "RGBA", "P")


def read_photo(path: Path, value_range: Sequence[float] | None = None) -> Image.Image:
    """Return the photograph in a file as RGB; BadFileError for one that cannot be used.

    `value_range` are the values of black and white of pictures of more than 8 bits, by default those of their type.
    """
    return read_picture(path, lambda file, lossy: _upright(file, value_range))[1]


def _upright(file: Image.Image, value_range: Sequence[float] | None) -> Image.Image:
    deep = is_deep(file)
    refuse_inverted(file)
    profile = file.info.get("icc_profile") if file.mode in RGB_MODES else None
    # Pillow turns TIFF files itself.
    turned = file if file.format == "TIFF" or orientation(file) == 1 else ImageOps.exif_transpose(file)
    image, extent = to_rgb(turned, value_range, deep)
    if extent.kind != "8-bit":
        extent = extent.of(image)
        first, last = FULL[extent.kind] if value_range is None or deep else value_range
        low, high = extent.low or 0, extent.high or 0
        if low < first or high > last or high - low < LEAST_USED[extent.kind] * (last - first):
            raise BadFileError(
                f"is a {extent.kind} picture whose values from {low:g} to {high:g} do not use {first:g} to {last:g}; "
                "save it so that they do"
            )
    image.info = {"icc_profile": profile} if profile else {}
    return image
