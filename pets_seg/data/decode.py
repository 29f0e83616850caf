"""Read an image and its trimap from files of many kinds."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from pets_seg.data.sources import Pair
from pets_seg.errors import printable, reason
from pets_seg.machine.files import open_regular

# The values that a mask file may hold, and what each means in a trimap: 1 pet, 2 background, 3 boundary.
ENCODINGS = {1: 1, 2: 2, 3: 3}, {0: 2, 1: 1}, {0: 2, 255: 1}
# Two sizes have the same aspect ratio if rounding to whole pixels explains the rest.
ASPECT_TOLERANCE = 0.03
SIDEWAYS = {5, 6, 7, 8}
# Pillow reads more, PostScript by running Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")
# From here on Pillow warns of a file that takes far more memory than disk; it refuses twice as many.
MAX_PIXELS = 89_478_485


class BadFileError(Exception):
    """A pair that cannot be used; the text says why."""


def decode_pair(pair: Pair, size: int, mask_values: Mapping[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the image as (3, size, size) and the trimap as (size, size), both uint8.

    The image is resized with antialiasing (bilinear), the trimap to the nearest pixel; the aspect ratio is ignored. The
    trimap is 0 where the source's `mask_values` count no pixel. Raises BadFileError for a file that cannot be used.
    """
    if pair.problem:
        raise BadFileError(pair.problem)
    trimap = _read(pair.trimap, lambda file: _trimap(file, mask_values))
    image = _read(pair.image, lambda file: _image(file, trimap.size))
    if not _same_aspect(image.size, trimap.size):
        sizes = "{} x {}, image {} x {}".format(*trimap.size, *image.size)
        raise BadFileError(f"{printable(pair.trimap.name)}: does not fit its image (trimap {sizes})")
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    trimap = trimap.resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(image).transpose(2, 0, 1), np.asarray(trimap)


def _read(path: Path, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    try:
        with open_regular(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return convert(image)
    except Image.DecompressionBombError:
        problem = f"has more than {MAX_PIXELS} pixels; make it smaller"
    except Image.UnidentifiedImageError:
        problem = "not an image"
    except FileNotFoundError:
        problem = "is not there"
    # Pillow's decoders raise many types for broken files (OSError, SyntaxError, ValueError, struct.error, ...).
    except Exception as error:
        problem = reason(error)
    raise BadFileError(f"{printable(path.name)}: {printable(problem)}")


def _image(file: Image.Image, trimap_size: tuple[int, int]) -> Image.Image:
    """Return an RGB image, turned as its EXIF orientation says unless the trimap was drawn on the unturned pixels."""
    orientation = file.getexif().get(ExifTags.Base.Orientation, 1)
    drawn_unturned = orientation in SIDEWAYS and not _same_aspect(file.size[::-1], trimap_size)
    image = file if drawn_unturned or orientation == 1 else ImageOps.exif_transpose(file)
    if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
        raise BadFileError("holds values that are not finite")
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    elif "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode != "RGB":
        return image.convert("RGB")
    # The file is closed before the pixels are used.
    image.load()
    return image


def _trimap(file: Image.Image, mask_values: Mapping[int, int] | None) -> Image.Image:
    """Return the trimap as a grey image of values 1, 2, 3, and 0 for what is not counted."""
    values = np.asarray(file)
    if file.mode == "P" and mask_values is None:
        # A black and white palette may have either colour first; other palettes only paint the values.
        painted = file.convert("RGB")
        colours = painted.getcolors(2)
        if colours and {colour for _, colour in colours} <= {(0, 0, 0), (255, 255, 255)}:
            values = np.asarray(painted.getchannel(0))
    if values.ndim == 3:
        channels = values[..., :-1] if file.mode in ("LA", "RGBA") else values
        if (channels != channels[..., :1]).any():
            raise BadFileError("is a colour picture, not a mask")
        values = channels[..., 0]
    grey = file if file.mode == "L" else Image.fromarray(values) if values.dtype == np.uint8 else None
    # Pillow counts and maps bytes several times faster than NumPy.
    counts = dict(enumerate(grey.histogram())) if grey else dict.fromkeys(np.unique(values).tolist(), 1)
    present = {value for value, count in counts.items() if count}
    trimap_of = _encoding(present, mask_values)
    if grey:
        return grey.point([trimap_of.get(value, 0) for value in range(256)])
    table = np.zeros(max(trimap_of) + 1, np.uint8)
    table[list(trimap_of)] = list(trimap_of.values())
    return Image.fromarray(table[values.astype(np.int64)])


def _encoding(present: set[int], mask_values: Mapping[int, int] | None) -> Mapping[int, int]:
    """Return the trimap value of each value of a mask file; BadFileError if those that are present have none."""
    if mask_values is None:
        for trimap_of in ENCODINGS:
            if present <= trimap_of.keys():
                return trimap_of
        some = ", ".join(map(str, sorted(present)[:4])) + (", ..." if len(present) > 4 else "")
        raise BadFileError(f"holds the values {some}; a mask is 0/1, 0/255 or 1/2/3")
    if unknown := sorted(present - mask_values.keys()):
        known = ", ".join(map(str, sorted(mask_values)))
        raise BadFileError(f"holds the value {unknown[0]}; mask_values of its source has {known}")
    return {value: {0: 2, 1: 1}.get(meaning, 0) for value, meaning in mask_values.items()}


def _same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = (size[0] * other[1]) / (size[1] * other[0])
    return abs(ratio - 1) <= ASPECT_TOLERANCE
