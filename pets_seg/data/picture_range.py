"""The values that pictures hold: turned into 8 bits by the range of their type, or by one that is given."""

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pets_seg.data.levels import MAX_SAMPLED, BadFileError, depth, is_wide
from pets_seg.errors import InputError, named

# Types of pictures by Pillow's mode, with the range of their values that is taken for black to white.
FULL = {"16-bit": (0, 65535), "32-bit": (0, 65535), "float": (0, 255), "8-bit": (0, 255), "16-bit colour": (0, 255)}
# Pictures that use a smaller share of the range of their type were made with another.
LEAST_USED = {"16-bit": 1 / 2, "32-bit": 1 / 2, "float": 1 / 2, "8-bit": 1 / 16, "16-bit colour": 1 / 2}
LEAST_OF_GIVEN = 1 / 16
# A picture is almost black if MOST of its values are in a smaller share of the range.
ALMOST_BLACK = 1 / 16
# A hot pixel or a stamp has fewer than the others.
MOST = 0.99
# With so many almost black ones among them, pictures of more than 8 bits are of two ranges.
TOO_MANY_DARK = 1 / 10
WIDE = ("16-bit", "32-bit", "float")


@dataclass(frozen=True)
class Extent:
    """The least and greatest value of a picture, and the one that MOST of its values do not exceed.

    `kind` is its type; the values are None until they are known.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    most: float | None = None
    constant: bool = False

    def of(self, image: Image.Image) -> "Extent":
        """Return the extent of a picture that is `image` in RGB; its own values where they are known."""
        if self.low is not None:
            return replace(self, constant=self.low == self.high)
        counts = np.array(image.histogram()).reshape(3, 256)
        total = counts.sum(0)
        held = np.flatnonzero(total)
        most = np.searchsorted(total.cumsum(), MOST * total.sum())
        return Extent(self.kind, held[0].item(), held[-1].item(), most.item(), bool((counts > 0).sum() == 3))


def to_rgb(image: Image.Image, value_range: Sequence[float] | None, deep: bool) -> tuple[Image.Image, Extent]:
    """Return an image in RGB, and its type with the values that it holds where that is not 8-bit.

    A 16-bit, 32-bit or float image is scaled from `value_range`, or from the range of its type, and clipped.
    """
    mode = image.mode
    if is_wide(image):
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise BadFileError("holds values that are not finite")
        extent = Extent(depth(image), values.min().item(), values.max().item(), _most(values))
        if value_range:
            low, high = value_range
            scaled = (values.astype(np.float64) - low) * (255 / (high - low))
            return Image.fromarray(np.rint(scaled.clip(0, 255)).astype(np.uint8)).convert("RGB"), extent
        if mode == "F":
            return image.convert("RGB"), extent
        return Image.fromarray((values.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB"), extent
    # Pillow keeps the upper 8 of 16 bits of a colour.
    extent = Extent("16-bit colour" if deep else "8-bit")
    if "transparency" in image.info:
        image = image.convert("RGBA")
    if mode != "RGB" or image.mode != "RGB":
        return image.convert("RGB"), extent
    # The file is closed before the pixels are used.
    image.load()
    return image, extent


def check_range(pictures: Iterable[tuple[str, Extent]], value_range: Sequence[float] | None) -> None:
    """Raise InputError where the pictures of a source do not use one range, that of their type or a given one.

    A picture is its name with its extent.
    """
    for kind, of_kind in _by_kind(pictures).items():
        extents = [extent for _, extent in of_kind]
        lows = [extent.low for extent in extents if extent.low is not None]
        highs = [extent.high for extent in extents if extent.high is not None]
        mosts = [extent.most for extent in extents if extent.most is not None]
        low, high = min(lows), max(highs)
        # Of most pictures: a bright one must not hide that the others are dark.
        used, bright = statistics.median(highs) - statistics.median(lows), statistics.median(mosts)
        held = f"the {len(extents)} {kind} pictures hold values from {low:g} to {high:g}"
        if kind == "16-bit colour" and value_range:
            raise InputError(
                f"{held}, of which the upper 8 bits are read; data.range does not apply: save them as 8-bit"
            )
        first, last = _range_of(kind, value_range)
        given = kind in WIDE and bool(value_range)
        least = (last - first) * (LEAST_OF_GIVEN if given else LEAST_USED[kind])
        dark = _is_dark(bright, first, last)
        # What few pixels hold beyond a given range becomes white.
        fits = low >= first and (max(mosts) if given else high) <= last
        # Pictures of one value each say nothing about the range; they are named in a warning.
        if (fits and used >= least and not dark) or (kind == "8-bit" and all(extent.constant for extent in extents)):
            # With a range that is given, a warning names them: they may be pictures of the night.
            if not given:
                _refuse_two_ranges(kind, of_kind)
            continue
        if high - low >= least and used < least:
            held += f", most of them a range of {used:g}"
        elif dark and high > bright:
            held += f", mostly up to {bright:g}"
        if given:
            raise InputError(
                f"{held}, which does not fit data.range=[{first:g},{last:g}]; give the values of black and white"
            )
        black = min(low, 0)
        whites = [white for white in (_white(high), _white(max(mosts))) if not _is_dark(bright, black, white)]
        advice = (
            f"say which values are black and white, e.g. data.range=[{black:g},{whites[0]:g}]"
            if kind in WIDE and whites
            else f"save them so that they use {first} to {last}"
        )
        raise InputError(f"{held}, of {first} to {last}; {advice}")


def oddities(pictures: Iterable[tuple[str, Extent]], value_range: Sequence[float] | None) -> list[str]:
    """Return what is strange about the values of pictures, a line each, with the names of those that are meant."""
    lines = []
    by_kind = _by_kind(pictures)
    constant = [name for of_kind in by_kind.values() for name, extent in of_kind if extent.constant]
    if constant:
        lines.append(f"{_pictures(constant, 'holds', 'hold')} one value throughout: {named(constant)}")
    for kind, of_kind in by_kind.items():
        if dark := _dark(kind, of_kind, value_range):
            lines.append(f"{_pictures(dark, 'is', 'are')} {_black(kind, dark, value_range)}: {named(list(dark))}")
        _, last = _range_of(kind, value_range)
        beyond = [name for name, extent in of_kind if extent.high is not None and extent.high > last]
        if beyond:
            lines.append(
                f"{_pictures(beyond, 'holds', 'hold')} values above {last:g}, which become white: {named(beyond)}"
            )
    return lines


def _refuse_two_ranges(kind: str, of_kind: Sequence[tuple[str, Extent]]) -> None:
    dark = _dark(kind, of_kind, None)
    first, last = FULL[kind]
    keep = f", or keep dark ones by data.range=[{first},{last}]" if kind in WIDE else ""
    if kind != "8-bit" and dark and len(dark) >= len(of_kind) * TOO_MANY_DARK:
        raise InputError(
            f"{len(dark)} of {len(of_kind)} {kind} pictures are {_black(kind, dark, None)}, unlike the others "
            f"({named(list(dark))}); pictures of one kind must share one range: save them alike{keep}"
        )


def _by_kind(pictures: Iterable[tuple[str, Extent]]) -> dict[str, list[tuple[str, Extent]]]:
    by_kind: dict[str, list[tuple[str, Extent]]] = {}
    for name, extent in pictures:
        by_kind.setdefault(extent.kind, []).append((name, extent))
    return by_kind


def _range_of(kind: str, value_range: Sequence[float] | None) -> Sequence[float]:
    return value_range if value_range and kind in WIDE else FULL[kind]


def _dark(kind: str, of_kind: Iterable[tuple[str, Extent]], value_range: Sequence[float] | None) -> dict[str, float]:
    """Return the names of the almost black pictures, each with the value that MOST of its values do not exceed."""
    first, last = _range_of(kind, value_range)
    known = ((name, extent.most) for name, extent in of_kind if extent.most is not None and not extent.constant)
    return {name: most for name, most in known if _is_dark(most, first, last)}


def _is_dark(most: float, first: float, last: float) -> bool:
    return most - first < (last - first) * ALMOST_BLACK


def _black(kind: str, dark: Mapping[str, float], value_range: Sequence[float] | None) -> str:
    first, last = _range_of(kind, value_range)
    start = f"{first:g} to " if first else ""
    return f"almost black, with values up to {max(dark.values()):g} of {start}{last:g}"


def _pictures(names: Collection[str], one: str, several: str) -> str:
    return f"{len(names)} pictures {several}" if len(names) > 1 else f"1 picture {one}"


def _most(values: np.ndarray) -> float:
    """Return the value that MOST of a picture's values do not exceed, as seen through a grid."""
    step = 1
    while (seen := values[::step, ::step]).size > MAX_SAMPLED:
        step += 1
    place = math.ceil(MOST * seen.size) - 1
    return np.partition(seen, place, axis=None)[place].item()


def _white(high: float) -> float:
    usual = (1, 255, 1023, 4095, 16383, 65535)
    return next((white for white in usual if high <= white), high)
