"""The levels of a mask file: which grey values or colours it holds, how often, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

# A grey value as a number, another colour as #rrggbb, with #rrggbbaa where it is not opaque.
Level = int | float | str
# More are no labels: soft edges, or what JPEG makes of them.
MAX_LEVELS = 256
# Colour channels that differ by no more are those of a grey picture after JPEG.
GREY_TOLERANCE = 24
LOSSY = {"JPEG", "MPO"}


class BadFileError(Exception):
    """A pair that cannot be used; the text says why."""


@dataclass(frozen=True)
class Levels:
    """What a mask file holds: each level with its number of pixels and, in a palette file, its index there."""

    file: str
    levels: tuple[Level, ...]
    counts: tuple[int, ...]
    indices: tuple[int, ...] | None = None
    lossy: bool = False


def read_levels(
    mask: Image.Image, size: int, threshold: float | None, name: str, form: str | None
) -> tuple[np.ndarray, Levels]:
    """Return the levels of a mask and, resized to the nearest pixel, (size, size) uint8, the position of each pixel's.

    With a threshold there are two: 0 below it, and 1. Raises BadFileError for more than MAX_LEVELS.
    """
    lossy = form in LOSSY
    mask = mask.convert("L") if mask.mode == "1" else mask
    seen = _without_opaque_alpha(mask)
    if threshold is not None:
        above, (below_count, count) = _above(_grey(seen), threshold)
        return _resized(above, size), Levels(name, (0, 1), (below_count, count), None, lossy)
    if seen.mode == "P":
        histogram = seen.histogram()[:256]
        indices = tuple(index for index, count in enumerate(histogram) if count)
        palette = np.asarray(seen.getpalette("RGB"), np.uint8).reshape(-1, 3)
        if indices[-1] >= len(palette):
            raise BadFileError(f"holds the index {indices[-1]}, of which its palette of {len(palette)} has no colour")
        levels = tuple(_label((*map(int, palette[index]), 255)) for index in indices)
        position = np.searchsorted(indices, np.asarray(seen.resize((size, size), Image.Resampling.NEAREST)))
        return position.astype(np.uint8), Levels(name, levels, tuple(histogram[i] for i in indices), indices, lossy)
    if seen.mode == "RGB" and not _differences(seen):
        seen = seen.getchannel(0)
    if seen.mode == "L":
        histogram = seen.histogram()
        present = [value for value, count in enumerate(histogram) if count]
        position = np.searchsorted(present, np.asarray(seen.resize((size, size), Image.Resampling.NEAREST)))
        return position.astype(np.uint8), Levels(name, (*present,), tuple(histogram[v] for v in present), None, lossy)
    if seen.mode in ("RGB", "RGBA"):
        return _colours(seen, size, name, lossy)
    where, found, counts = _wide_levels(np.asarray(seen))
    return _resized(where, size), Levels(name, found, counts, None, lossy)


def _without_opaque_alpha(mask: Image.Image) -> Image.Image:
    """Return a mask as P, L, RGB or a wide type; as RGBA where it is transparent."""
    if mask.mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in mask.info:
        rgba = mask.convert("RGBA")
        if np.asarray(rgba.getchannel("A")).min() < 255:
            return rgba
        if mask.mode not in ("P", "L"):
            return rgba.convert("RGB")
    if mask.mode in ("P", "L", "RGB", "F") or mask.mode.startswith("I"):
        return mask
    return mask.convert("RGB")


def _colours(mask: Image.Image, size: int, name: str, lossy: bool) -> tuple[np.ndarray, Levels]:
    rgba = mask.convert("RGBA")
    found = rgba.getcolors(MAX_LEVELS)
    if found is None:
        cause = (
            "JPEG changes the colours of a mask; save it as PNG"
            if lossy
            else "with alpha, which is not one value for each colour; save the mask without alpha"
            if mask.mode == "RGBA"
            else f"it has more than {MAX_LEVELS} colours"
        )
        raise BadFileError(f"is a colour picture, not a mask ({cause})")
    # Pillow's types say that a colour may be a number, which it is in pictures of one channel only.
    colours = sorted((_packed(colour), count) for count, colour in found if isinstance(colour, tuple))
    pixels = np.asarray(rgba.resize((size, size), Image.Resampling.NEAREST)).astype(np.uint32)
    packed = pixels @ np.array([1 << 24, 1 << 16, 1 << 8, 1], np.uint32)
    position = np.searchsorted([code for code, _ in colours], packed).astype(np.uint8)
    levels = tuple(_label([*code.to_bytes(4, "big")]) for code, _ in colours)
    return position, Levels(name, levels, tuple(count for _, count in colours), None, lossy)


def _packed(colour: Sequence[int]) -> int:
    return int.from_bytes(bytes(colour), "big")


def _label(colour: Sequence[int]) -> Level:
    red, green, blue, alpha = colour
    if alpha != 255:
        return f"#{_packed(colour):08x}"
    return red if red == green == blue else f"#{_packed(colour[:3]):06x}"


def _differences(mask: Image.Image) -> int:
    """Return by how much the channels of an RGB picture differ at most."""
    red, green, blue = mask.split()
    return max(int(np.asarray(ImageChops.difference(red, other)).max()) for other in (green, blue))


def _grey(mask: Image.Image) -> np.ndarray:
    """Return the grey values of a mask; BadFileError if it has colours, or alpha beside them."""
    if mask.mode == "RGBA":
        colour, alpha = mask.convert("RGB"), np.asarray(mask.getchannel("A"))
        # Of one colour throughout, alpha is the mask.
        if alpha.min() == alpha.max() > 0:
            return _grey(colour)
        if any(len(np.unique(np.asarray(channel))) > 1 for channel in colour.split()):
            raise BadFileError("has a transparent part; save the mask without alpha")
        return alpha
    if mask.mode == "P":
        mask = mask.convert("RGB")
    if mask.mode == "RGB":
        if _differences(mask) > GREY_TOLERANCE:
            raise BadFileError("is a colour picture, to which data.mask_threshold does not apply")
        mask = mask.convert("L")
    return np.asarray(mask)


def _above(values: np.ndarray, threshold: float) -> tuple[np.ndarray, tuple[int, int]]:
    _check_finite(values)
    above = values >= threshold
    count = int(np.count_nonzero(above))
    return above.astype(np.uint8), (above.size - count, count)


def _check_finite(values: np.ndarray) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadFileError("holds values that are not finite")


def _wide_levels(values: np.ndarray) -> tuple[np.ndarray, tuple[Level, ...], tuple[int, ...]]:
    """Return the position of each pixel's value, and the values and their counts, of a 16-bit, 32-bit or float mask."""
    _check_finite(values)
    if values.dtype.kind == "f" and (values == np.rint(values)).all() and np.abs(values).max() < 2**31:
        values = values.astype(np.int64)
    low, high = values.min(), values.max()
    if values.dtype.kind != "f" and int(high) - int(low) < 2**20:
        # Sorting millions of pixels takes a second.
        shifted = values.astype(np.int64) - int(low)
        every = np.bincount(shifted.ravel())
        [present] = np.nonzero(every)
        found, counts = present + int(low), every[present]
    else:
        found, counts = np.unique(values, return_counts=True)
    if len(found) > MAX_LEVELS:
        raise BadFileError(
            f"holds {len(found)} values from {low} to {high}; if it is grey, say from which value on it is pet "
            "by data.mask_threshold"
        )
    return np.searchsorted(found, values).astype(np.uint8), tuple(found.tolist()), tuple(counts.tolist())


def _resized(positions: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(Image.fromarray(positions).resize((size, size), Image.Resampling.NEAREST))
