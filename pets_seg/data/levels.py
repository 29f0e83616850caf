"""The levels of a mask file: which grey values or colours it holds, how often, and where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image, ImageChops

# A grey value as a number, another colour as #rrggbb, with #rrggbbaa where it is not opaque.
Level = int | float | str
# More are no labels: soft edges, or what JPEG makes of them.
MAX_LEVELS = 256
# In pixels; a larger mask is looked at through a grid, since counting takes as long as decoding.
MAX_SAMPLED = 1 << 18
# Colour channels that differ by no more are those of a grey picture after JPEG.
GREY_TOLERANCE = 24


class BadFileError(Exception):
    """A pair that cannot be used; the text says why."""


@dataclass(frozen=True)
class Levels:
    """What a mask file holds: each level with its number of pixels and, in a palette file, its index there.

    `depth` is its type, `alpha` whether its transparency was looked at, `noisy` whether it was a grey mask in so many
    colours that its levels are their grey values. A mask of too many values of more than 8 bits has at most two levels:
    the highest of those below `threshold`, and the highest of all.
    """

    file: str
    levels: tuple[Level, ...]
    counts: tuple[int, ...]
    indices: tuple[int, ...] | None = None
    lossy: bool = False
    alpha: bool = False
    depth: str = "8-bit"
    noisy: bool = False
    threshold: float | None = None


def read_levels(
    mask: Image.Image, size: int, threshold: float | None, name: str, lossy: bool
) -> tuple[np.ndarray, Levels]:
    """Return the levels of a mask and, resized to the nearest pixel, (size, size) uint8, the position of each pixel's.

    A mask of more than MAX_SAMPLED pixels is looked at through a grid; its levels are all of the resized mask's and of
    the grid's. Raises BadFileError for more than MAX_LEVELS, unless they are values that `threshold` divides.
    """
    if mask.mode == "1":
        mask = mask.convert("L")
    elif is_wide(mask):
        values = np.asarray(mask)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BadFileError("holds values that are not finite")
        # Pillow does not resize every order of bytes.
        mask = Image.fromarray(values.astype(values.dtype.newbyteorder("=")))
    elif mask.mode not in ("L", "LA", "P", "RGB", "RGBA"):
        mask = mask.convert("RGBA" if mask.mode in ("La", "PA", "RGBa") else "RGB")
    resized = mask.resize((size, size), Image.Resampling.NEAREST)
    for seen in (_sample(mask), mask):
        read = _read_wide(seen, resized, threshold) if is_wide(mask) else _read(seen, resized, lossy)
        if read is not None:
            position, found = read
            return position.astype(np.uint8), replace(found, file=name, lossy=lossy, depth=depth(mask))
    raise AssertionError("a resized mask holds nothing that the mask does not")


def is_wide(image: Image.Image) -> bool:
    """Return whether a picture has one channel of more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def depth(image: Image.Image) -> str:
    """Return the type of a picture's values."""
    if not is_wide(image):
        return "8-bit"
    return "float" if image.mode == "F" else "16-bit" if image.mode.startswith("I;16") else "32-bit"


def _sample(mask: Image.Image) -> Image.Image:
    step = math.ceil(math.sqrt(mask.width * mask.height / MAX_SAMPLED))
    size = math.ceil(mask.width / step), math.ceil(mask.height / step)
    return mask if step == 1 else mask.resize(size, Image.Resampling.NEAREST)


def _read(seen: Image.Image, resized: Image.Image, lossy: bool) -> tuple[np.ndarray, Levels] | None:
    """Return positions in `resized` among the levels of `seen`, and these; None if `resized` holds others."""
    kind, alpha = _kind(seen), _has_alpha(seen)
    if many := kind == "RGBA" and _colours(seen) is None:
        seen, resized = _simpler(seen, resized, lossy)
        kind = _kind(seen)
    if kind != "RGBA" and _kind(resized) != kind:
        return None
    codes, counts = _count(seen, kind)
    position = _positions(codes, _codes(resized, kind))
    if position is None:
        return None
    indices, levels = None, tuple(codes.tolist())
    if kind == "P":
        indices, palette = levels, np.asarray(seen.getpalette("RGB"), np.uint8).reshape(-1, 3)
        if indices[-1] >= len(palette):
            raise BadFileError(f"holds the index {indices[-1]}, of which its palette of {len(palette)} has no colour")
        levels = tuple(_label([*palette[index].tolist(), 255]) for index in indices)
    elif kind == "RGBA":
        levels = tuple(_label([*int(code).to_bytes(4, "big")]) for code in codes)
    return position, Levels("", levels, tuple(counts.tolist()), indices, alpha=alpha, noisy=many and kind == "L")


def _read_wide(
    seen_image: Image.Image, resized: Image.Image, threshold: float | None
) -> tuple[np.ndarray, Levels] | None:
    """Return the same for values of more than 8 bits."""
    seen, here = _values(seen_image), _values(resized)
    codes, counts = np.unique(seen, return_counts=True)
    divided = len(codes) > MAX_LEVELS
    if divided:
        if threshold is None:
            raise BadFileError(
                f"holds {len(codes)} values from {codes[0]} to {codes[-1]}; if it is grey, say from which value on it "
                "is pet by data.mask_threshold"
            )
        every = np.concatenate([codes, here.ravel()])
        low, high = np.max(every, initial=every.min(), where=every < threshold), every.max()
        seen, here = (np.where(values < threshold, low, high) for values in (seen, here))
        codes, counts = np.unique(seen, return_counts=True)
    position = _positions(codes, here)
    if position is None:
        return None
    # 0.7 in 32 bits is less than 0.7 in 64, with which a threshold is given.
    levels = tuple(float(str(code)) if codes.dtype.kind == "f" else int(code) for code in codes)
    return position, Levels("", levels, tuple(counts.tolist()), threshold=threshold if divided else None)


def _positions(codes: np.ndarray, here: np.ndarray) -> np.ndarray | None:
    """Return where in the sorted `codes` each of `here` stands; None if one is not there."""
    if here.dtype == np.uint8:
        # Several times as fast as a search.
        place = np.full(MAX_LEVELS, -1)
        place[codes] = np.arange(len(codes))
        position = place[here]
        return None if (position < 0).any() else position
    position = np.searchsorted(codes, here).clip(max=len(codes) - 1)
    return None if (codes[position] != here).any() else position


def _kind(image: Image.Image) -> str:
    """Return as what the levels of an image are told apart: P (indices), L (grey) or RGBA (colours)."""
    if _is_transparent(image):
        return "RGBA"
    if image.mode in ("P", "L"):
        return image.mode
    return "RGBA" if _difference(image.convert("RGB")) else "L"


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA") or "transparency" in image.info


def _is_transparent(image: Image.Image) -> bool:
    return _has_alpha(image) and image.convert("RGBA").getchannel("A").getextrema() != (255, 255)


def _codes(image: Image.Image, kind: str) -> np.ndarray:
    if kind != "RGBA":
        return np.asarray(_one_channel(image, kind))
    return np.asarray(image.convert("RGBA")).astype(np.uint32) @ np.array([1 << 24, 1 << 16, 1 << 8, 1], np.uint32)


def _one_channel(image: Image.Image, kind: str) -> Image.Image:
    return image.convert("RGB").getchannel(0) if kind == "L" and image.mode != "L" else image


def _values(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    if values.dtype.kind == "f" and (values == np.rint(values)).all() and np.abs(values).max() < 2**31:
        return values.astype(np.int64)
    return values


def _count(image: Image.Image, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes in an image, sorted, and the number of pixels of each."""
    if kind == "RGBA":
        # Pillow's types say that a colour may be a number, which it is in pictures of one channel only.
        pairs = sorted((_packed(colour), count) for count, colour in _colours(image) or [] if isinstance(colour, tuple))
        return np.array([code for code, _ in pairs], np.uint32), np.array([count for _, count in pairs])
    every = np.array(_one_channel(image, kind).histogram()[:MAX_LEVELS])
    return np.flatnonzero(every), every[every > 0]


def _colours(image: Image.Image) -> list[tuple[int, Any]] | None:
    """Return the colours of an image, each after its number of pixels; None for more than MAX_LEVELS."""
    return image.convert("RGBA").getcolors(MAX_LEVELS)


def _simpler(seen: Image.Image, resized: Image.Image, lossy: bool) -> tuple[Image.Image, Image.Image]:
    """Return two views of a mask of many colours without those that mean nothing; BadFileError if many are left.

    These are colours that cannot be seen, and the noise that JPEG adds to grey.
    """
    parts = [part.convert("RGBA") for part in (seen, resized)]
    alphas = {part.getchannel("A").getextrema() for part in parts}
    # Alpha that is the same everywhere says nothing, unless nothing can be seen.
    if len({*chain(*alphas)}) > 1 or alphas == {(0, 0)}:
        clear = Image.new("RGBA", (1, 1))
        parts = [
            Image.composite(part, clear.resize(part.size), part.getchannel("A").point(lambda alpha: 255 * (alpha > 0)))
            for part in parts
        ]
        if _colours(parts[0]) is not None:
            return parts[0], parts[1]
        raise BadFileError(
            "is a colour picture, not a mask (with alpha, which is not one value for each colour; save the mask "
            "without alpha)"
        )
    plain = [part.convert("RGB") for part in (seen, resized)]
    if max(map(_difference, plain)) <= GREY_TOLERANCE:
        return plain[0].convert("L"), plain[1].convert("L")
    why = "JPEG changes the colours of a mask; save it as PNG" if lossy else f"it has more than {MAX_LEVELS} colours"
    raise BadFileError(f"is a colour picture, not a mask ({why})")


def _packed(colour: Sequence[int]) -> int:
    return int.from_bytes(bytes(colour), "big")


def _label(colour: Sequence[int]) -> Level:
    red, green, blue, alpha = colour
    if alpha != 255:
        return f"#{_packed(colour):08x}"
    return red if red == green == blue else f"#{_packed(colour[:3]):06x}"


def _difference(image: Image.Image) -> int:
    """Return by how much the channels of an RGB picture differ at most."""
    red, green, blue = image.split()
    return max(int(np.asarray(ImageChops.difference(red, other)).max()) for other in (green, blue))
