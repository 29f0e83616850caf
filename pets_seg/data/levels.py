"""The levels of a mask file: which grey values or colours it holds, how often, and where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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

    `alpha` is whether its transparency was looked at, `highest` its greatest value where there was a threshold.
    """

    file: str
    levels: tuple[Level, ...]
    counts: tuple[int, ...]
    indices: tuple[int, ...] | None = None
    lossy: bool = False
    alpha: bool = False
    highest: float = 0


def read_levels(
    mask: Image.Image, size: int, threshold: float | None, name: str, lossy: bool
) -> tuple[np.ndarray, Levels]:
    """Return the levels of a mask and, resized to the nearest pixel, (size, size) uint8, the position of each pixel's.

    A mask of more than MAX_SAMPLED pixels is looked at through a grid; its levels are all of the resized mask's and of
    the grid's. With a threshold there are two: 0 below it, and 1. Raises BadFileError for more than MAX_LEVELS.
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
    sample = _sample(mask)
    if threshold is not None:
        by_alpha = _alpha_is_the_mask(sample)
        seen, here = _grey(sample, by_alpha), _grey(resized, by_alpha) >= threshold
        count = int(np.count_nonzero(seen >= threshold))
        highest = float(max(seen.max(), threshold if here.any() else 0))
        counts = seen.size - count, count
        return here.astype(np.uint8), Levels(name, (0, 1), counts, None, lossy, by_alpha, highest)
    return _read(sample, resized, name, lossy) or _read_whole(mask, resized, name, lossy)


def _read_whole(mask: Image.Image, resized: Image.Image, name: str, lossy: bool) -> tuple[np.ndarray, Levels]:
    found = _read(mask, resized, name, lossy)
    assert found, "a resized mask holds nothing that the mask does not"
    return found


def is_wide(image: Image.Image) -> bool:
    """Return whether a picture has one channel of more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def _sample(mask: Image.Image) -> Image.Image:
    step = math.ceil(math.sqrt(mask.width * mask.height / MAX_SAMPLED))
    size = math.ceil(mask.width / step), math.ceil(mask.height / step)
    return mask if step == 1 else mask.resize(size, Image.Resampling.NEAREST)


def _read(seen: Image.Image, resized: Image.Image, name: str, lossy: bool) -> tuple[np.ndarray, Levels] | None:
    """Return positions in `resized` among the levels of `seen`, and these; None if `resized` holds others."""
    kind = _kind(seen)
    if kind != "RGBA" and _kind(resized) != kind:
        return None
    codes, counts = _count(seen, kind, lossy)
    here = _codes(resized, kind)
    position = np.searchsorted(codes, here).clip(max=len(codes) - 1)
    if (codes[position] != here).any():
        return None
    indices, levels = None, tuple(codes.tolist())
    if kind == "P":
        indices, palette = levels, np.asarray(seen.getpalette("RGB"), np.uint8).reshape(-1, 3)
        if indices[-1] >= len(palette):
            raise BadFileError(f"holds the index {indices[-1]}, of which its palette of {len(palette)} has no colour")
        levels = tuple(_label([*palette[index].tolist(), 255]) for index in indices)
    elif kind == "RGBA":
        levels = tuple(_label([*int(code).to_bytes(4, "big")]) for code in codes)
    return position.astype(np.uint8), Levels(name, levels, tuple(counts.tolist()), indices, lossy, _has_alpha(seen))


def _kind(image: Image.Image) -> str:
    """Return as what the levels of an image are told apart: P (indices), L (grey), RGBA (colours) or wide."""
    if is_wide(image):
        return "wide"
    if _has_alpha(image) and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        return "RGBA"
    if image.mode in ("P", "L"):
        return image.mode
    return "RGBA" if _difference(image.convert("RGB")) else "L"


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA") or "transparency" in image.info


def _codes(image: Image.Image, kind: str) -> np.ndarray:
    if kind != "RGBA":
        return np.asarray(_one_channel(image, kind))
    return np.asarray(image.convert("RGBA")).astype(np.uint32) @ np.array([1 << 24, 1 << 16, 1 << 8, 1], np.uint32)


def _one_channel(image: Image.Image, kind: str) -> Image.Image:
    return image.convert("RGB").getchannel(0) if kind == "L" and image.mode != "L" else image


def _count(image: Image.Image, kind: str, lossy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes in an image, sorted, and the number of pixels of each; BadFileError for too many."""
    if kind == "RGBA":
        found = image.convert("RGBA").getcolors(MAX_LEVELS)
        if found is None:
            raise BadFileError(f"is a colour picture, not a mask ({_why_many_colours(image, lossy)})")
        # Pillow's types say that a colour may be a number, which it is in pictures of one channel only.
        pairs = sorted((_packed(colour), count) for count, colour in found if isinstance(colour, tuple))
        return np.array([code for code, _ in pairs], np.uint32), np.array([count for _, count in pairs])
    if kind != "wide":
        every = np.array(_one_channel(image, kind).histogram()[:MAX_LEVELS])
        return np.flatnonzero(every), every[every > 0]
    values = _codes(image, kind)
    if values.dtype.kind == "f" and (values == np.rint(values)).all() and np.abs(values).max() < 2**31:
        values = values.astype(np.int64)
    codes, counts = np.unique(values, return_counts=True)
    if len(codes) > MAX_LEVELS:
        raise BadFileError(
            f"holds {len(codes)} values from {codes[0]} to {codes[-1]}; if it is grey, say from which value on it is "
            "pet by data.mask_threshold"
        )
    return codes, counts


def _why_many_colours(image: Image.Image, lossy: bool) -> str:
    if lossy:
        return "JPEG changes the colours of a mask; save it as PNG"
    if _has_alpha(image):
        return "with alpha, which is not one value for each colour; save the mask without alpha"
    return f"it has more than {MAX_LEVELS} colours"


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


def _alpha_is_the_mask(image: Image.Image) -> bool:
    """Return whether alpha tells the parts of a grey mask apart; BadFileError if colours do so too."""
    if not _has_alpha(image):
        return False
    pixels = np.asarray(image.convert("RGBA"))
    colours, alpha = pixels[..., :3], pixels[..., 3]
    if alpha.min() == alpha.max() > 0:
        return False
    visible = colours[alpha > 0]
    # Of one colour where it can be seen, or premultiplied.
    if not len(visible) or not np.ptp(visible, 0).any() or (colours == alpha[..., None]).all():
        return True
    raise BadFileError("has a transparent part; save the mask without alpha")


def _grey(image: Image.Image, by_alpha: bool) -> np.ndarray:
    """Return the grey values of a mask, or its alpha; BadFileError if it has colours."""
    if by_alpha:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    if image.mode in ("P", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
        if _difference(image) > GREY_TOLERANCE:
            raise BadFileError("is a colour picture, to which data.mask_threshold does not apply")
        image = image.convert("L")
    return np.asarray(image)
