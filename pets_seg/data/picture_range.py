"""The values that pictures hold: turned into 8 bits by the range of their type, or by one that is given."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from pets_seg.data.levels import BadFileError, is_wide
from pets_seg.errors import InputError

# Types of pictures by Pillow's mode, with the range of their values that is taken for black to white.
FULL = {"16-bit": (0, 65535), "32-bit": (0, 65535), "float": (0, 255), "8-bit": (0, 255), "16-bit colour": (0, 255)}
# Pictures that use a smaller share of the range of their type were made with another.
LEAST_USED = {"16-bit": 1 / 2, "32-bit": 1 / 2, "float": 1 / 2, "8-bit": 1 / 16, "16-bit colour": 1 / 2}
LEAST_OF_GIVEN = 1 / 16
WIDE = ("16-bit", "32-bit", "float")


@dataclass(frozen=True)
class Extent:
    """The least and greatest value of a picture, whose type is `kind`; None until they are known."""

    kind: str
    low: float | None = None
    high: float | None = None
    constant: bool = False

    def of(self, image: Image.Image) -> "Extent":
        """Return the extent of a picture that is `image` in RGB; its own values where they are known."""
        if self.low is not None:
            return replace(self, constant=self.low == self.high)
        # Several times as fast as NumPy, for pixels whose channels alternate.
        lows, highs = zip(*(channel.getextrema() for channel in image.split()), strict=True)
        return Extent(self.kind, min(lows), max(highs), lows == highs)


def to_rgb(image: Image.Image, value_range: Sequence[float] | None, deep: bool) -> tuple[Image.Image, Extent]:
    """Return an image in RGB, and its type with the values that it holds where that is not 8-bit.

    A 16-bit, 32-bit or float image is scaled from `value_range`, or from the range of its type, and clipped.
    """
    mode = image.mode
    if is_wide(image):
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise BadFileError("holds values that are not finite")
        kind = "float" if mode == "F" else "16-bit" if mode.startswith("I;16") else "32-bit"
        extent = Extent(kind, values.min().item(), values.max().item())
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


def check_range(extents: Iterable[Extent], value_range: Sequence[float] | None) -> None:
    """Raise InputError where the pictures of a source do not use the range of their type, or exceed a given one."""
    by_kind: dict[str, list[Extent]] = {}
    for extent in extents:
        by_kind.setdefault(extent.kind, []).append(extent)
    for kind, of_kind in by_kind.items():
        lows, highs = (
            [value for value in values if value is not None]
            for values in zip(*((e.low, e.high) for e in of_kind), strict=True)
        )
        low, high = min(lows), max(highs)
        # Of most pictures: a hot pixel in one of them must not hide that the others are dark.
        used = statistics.median(highs) - statistics.median(lows)
        held = f"the {len(of_kind)} {kind} pictures hold values from {low:g} to {high:g}"
        if kind == "16-bit colour" and value_range:
            raise InputError(
                f"{held}, of which the upper 8 bits are read; data.range does not apply: save them as 8-bit"
            )
        if value_range and kind in WIDE:
            first, last = value_range
            if low < first or high > last or used < (last - first) * LEAST_OF_GIVEN:
                raise InputError(
                    f"{held}, which does not fit data.range=[{first:g},{last:g}]; give the values of black and white"
                )
            continue
        first, last = FULL[kind]
        if low >= first and high <= last and used >= (last - first) * LEAST_USED[kind]:
            continue
        # Pictures of one value each say nothing about the range; they are named in a warning.
        if kind == "8-bit" and all(extent.constant for extent in of_kind):
            continue
        most = "" if high - low < (last - first) * LEAST_USED[kind] else f", most of them a range of {used:g}"
        advice = (
            f"say which values are black and white, e.g. data.range=[{min(low, 0):g},{_white(high)}]"
            if kind in WIDE
            else "save them so that they use 0 to 255"
        )
        raise InputError(f"{held}{most}, of {first} to {last}; {advice}")


def _white(high: float) -> str:
    usual = (1, 255, 1023, 4095, 16383, 65535)
    return f"{next((white for white in usual if high <= white), high):g}"
