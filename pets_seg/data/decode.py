"""Read an image and its mask from files of many kinds."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps, features

from pets_seg.data.levels import BadFileError, Levels, is_wide, read_levels
from pets_seg.data.orientation import SIDEWAYS, STORED, TURN_BACK, orientation, same_shape, tags_used
from pets_seg.data.pairs import Pair
from pets_seg.data.picture_range import Extent, to_rgb
from pets_seg.errors import printable, reason
from pets_seg.machine.files import read_limited

# Pillow reads more, PostScript by running Ghostscript.
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", *(["AVIF"] if features.check("avif") else [])]
LOSSY = {"JPEG", "MPO", "AVIF"}
RAW = "a raw photograph or a TIFF of an unusual type, as of 64 bits a value"
# From here on Pillow warns of a file that takes far more memory than disk; it refuses twice as many.
MAX_PIXELS = 89_478_485
TOO_LARGE = f"has more than {MAX_PIXELS} pixels; make it smaller"
# What the largest picture takes as floats, and more.
MAX_BYTES = 1 << 30


class Decoded(NamedTuple):
    """A pair at the size of the network: `image` (3,S,S) and `where`, the positions (S,S) of the mask's levels, uint8.

    `digests` are those of the two files' bytes, `extent` the values that the picture holds, `tags` how the orientation
    tags of the two were used.
    """

    image: np.ndarray
    where: np.ndarray
    mask: Levels
    extent: Extent
    digests: tuple[str, str]
    tags: str


def decode_pair(
    pair: Pair, size: int, threshold: float | None = None, value_range: Sequence[float] | None = None
) -> Decoded:
    """Return a pair, each file read once; BadFileError for one that cannot be used.

    The image is resized with antialiasing (bilinear), the mask to the nearest pixel; the aspect ratio is ignored.
    """
    name = printable(pair.trimap.name)
    mask_digest, (where, mask, mask_size, mask_tag) = read_picture(
        pair.trimap, lambda file, lossy: _mask(file, size, threshold, name, lossy)
    )
    image_digest, (image, extent, tags) = read_picture(
        pair.image, lambda file, _: _image(file, mask_tag, mask_size, value_range)
    )
    if not same_shape(image.size, mask_size):
        sizes = "{} x {}, image {} x {}".format(*mask_size, *image.size)
        if mask_tag in SIDEWAYS and same_shape(image.size, mask_size[::-1]):
            raise BadFileError(
                f"{name}: has an orientation tag of its own, with which it does not fit its image (mask {sizes}); save "
                "the mask without it"
            )
        raise BadFileError(f"{name}: does not fit its image (mask {sizes})")
    # Resized after it is known to fit.
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(image).transpose(2, 0, 1)
    return Decoded(pixels, where, mask, extent.of(image), (image_digest, mask_digest), tags)


def read_digest(path: Path) -> str:
    """Return the digest of a file's bytes, "" if it cannot be read."""
    try:
        return _digest(read_limited(path, MAX_BYTES))
    except (OSError, ValueError):
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def read_picture(path: Path, convert: Callable[[Image.Image, bool], Any]) -> tuple[str, Any]:
    """Return the digest of a file and what `convert` makes of its picture and of whether its format is lossy.

    Raises BadFileError for a file that is no picture of a kind that is read, or that cannot be decoded.
    """
    with bad_files(path.name):
        content = read_limited(path, MAX_BYTES)
        with _opened(content) as image:
            refuse_large(image)
            if image.format == "PNG" and image.tile:
                verify_png(io.BytesIO(content))
            # The chunk of a WebP with losses.
            lossy = image.format in LOSSY or (image.format == "WEBP" and b"VP8 " in content)
            lossy = lossy or (image.format == "TIFF" and image.info.get("compression") in ("jpeg", "tiff_jpeg", "webp"))
            return _digest(content), convert(image, lossy)


@contextmanager
def bad_files(name: str) -> Iterator[None]:
    """Raise BadFileError that names a file or a picture for whatever is raised while it is read and decoded."""
    try:
        yield
        return
    except Image.DecompressionBombError:
        problem = TOO_LARGE
    except FileNotFoundError:
        problem = "is not there"
    except MemoryError:
        problem = "takes more memory than there is; make it smaller"
    # Pillow's decoders raise many types for broken files (OSError, SyntaxError, ValueError, struct.error, ...).
    except Exception as error:
        problem = reason(error)
    raise BadFileError(f"{printable(name)}: {printable(problem)}")


def refuse_large(image: Image.Image) -> None:
    """Raise BadFileError for a picture of more pixels than are decoded."""
    if image.width * image.height > MAX_PIXELS:
        raise BadFileError(TOO_LARGE)


def _opened(content: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError:
        raise BadFileError("not an image" + _kind(content)) from None


def verify_png(file: IO[bytes]) -> None:
    """Raise BadFileError for a PNG with a wrong checksum, which Pillow does not look at where it decodes pixels."""
    try:
        # A picture that is to be decoded cannot be verified as well.
        Image.open(file, formats=["PNG"]).verify()
    except SyntaxError as error:
        raise BadFileError("is damaged: its content does not fit its checksum; copy or save it anew") from error


def _kind(content: bytes) -> str:
    """Return the name of a picture's kind that is not read, with the way out, or nothing."""
    starts = {b"8BPS": "Photoshop", b"\x93NUMPY": "a NumPy array", b"%PDF": "PDF", b"II*\0": RAW, b"MM\0*": RAW}
    kind = next((kind for start, kind in starts.items() if content.startswith(start)), None)
    if content[4:8] == b"ftyp":
        kind = "AVIF" if content[8:12] in (b"avif", b"avis") else "HEIC"
    elif content[:12] == b"\0\0\0\x0cjP  \r\n\x87\n":
        kind = "JPEG 2000"
    return f" of a kind that is read, but {kind}; save it as JPEG or PNG" if kind else ""


def _image(
    file: Image.Image, mask_tag: int, mask_size: tuple[int, int], value_range: Sequence[float] | None
) -> tuple[Image.Image, Extent, str]:
    """Return an RGB image, turned as its orientation tag says unless the mask was drawn on the unturned pixels."""
    deep = is_deep(file)
    refuse_inverted(file)
    tag = orientation(file)
    # Pillow turns TIFF files itself, and gives the size that they have then.
    turned_by_pillow = file.format == "TIFF"
    turned = file.size if turned_by_pillow or tag not in SIDEWAYS else file.size[::-1]
    used = tags_used(tag, turned, mask_tag, mask_size)
    image = file
    if turned_by_pillow and used == STORED:
        image = file.transpose(TURN_BACK[tag])
    elif tag != 1 and not turned_by_pillow and used != STORED:
        image = ImageOps.exif_transpose(file)
    return *to_rgb(image, value_range, deep), used


def _mask(
    file: Image.Image, size: int, threshold: float | None, name: str, lossy: bool
) -> tuple[np.ndarray, Levels, tuple[int, int], int]:
    """Return a mask's positions and levels, its size after it is turned as its orientation tag says, and the tag."""
    if is_deep(file):
        raise BadFileError("is of 16-bit colour, of which the upper 8 bits are read; save it as 8-bit, or 16-bit grey")
    refuse_inverted(file)
    if (pages := getattr(file, "n_frames", 1)) > 1:
        raise BadFileError(f"has {pages} pages; save the one that is the mask")
    tag = orientation(file)
    mask = ImageOps.exif_transpose(file) if tag != 1 else file
    where, levels = read_levels(mask, size, threshold, name, lossy)
    return where, levels, mask.size, tag


def is_deep(file: Image.Image) -> bool:
    """Return whether a picture has colours of 16 bits; to be asked before its tags are read, which may load it."""
    raw_mode = str(tiles[0][3]) if (tiles := getattr(file, "tile", [])) else ""
    # A BMP of 16 bits a pixel has BGR;16.
    return ";16" in raw_mode and not is_wide(file) and "BGR;" not in raw_mode


def refuse_inverted(file: Image.Image) -> None:
    """Raise BadFileError for a picture of more than 8 bits that stores white as 0."""
    if is_wide(file) and file.format == "TIFF" and file.getexif().get(ExifTags.Base.PhotometricInterpretation) == 0:
        # Pillow inverts such files of 8 bits, and forgets it with more.
        raise BadFileError("stores white as 0, which is not read with more than 8 bits; save it as PNG")
