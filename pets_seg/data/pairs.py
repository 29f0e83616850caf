"""What a source of images is made of: pairs of an image and its mask, and what the values of the masks mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, printable, reason

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Pair:
    """An image and its trimap or mask; `problem` is why the source knows already that the pair cannot be used."""

    stem: str
    image: Path
    trimap: Path
    problem: str | None = None


Splits = dict[str, list[Pair]]


@dataclass(frozen=True)
class Source:
    """The pairs of the splits train, valid and test, each stem in one of them.

    `mask_values` maps values in mask files to 0 background, 1 pet, 255 not counted; with `trimaps` they are 1 pet,
    2 background, 3 boundary. With neither, what they mean is decided by what all masks hold, unless `named_values` (as
    data.mask_values) or `threshold` (as data.mask_threshold) say it. `value_range` has the values of black and white in
    pictures of more than 8 bits. `notes` is what has to be said of the files, a line each, `advice` what else to do
    where a split is empty, and `licence` that of the images, as an exported network names it.
    """

    splits: Splits
    mask_values: Mapping[int, int] | None = None
    trimaps: bool = False
    named_values: Mapping[str, Sequence[Any]] | None = None
    threshold: float | None = None
    value_range: Sequence[float] | None = None
    notes: Sequence[str] = ()
    advice: str = ""
    licence: str = ""


def expand_user(key: str, given: str) -> Path:
    """Return the path that is given for a setting, with ~ expanded; InputError if there is no such user."""
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f"{key}={printable(given)}: there is no such user; write the path out") from error


def unreadable(path: Path, error: Exception, advice: str) -> InputError:
    """Return the error that a path cannot be read."""
    return InputError(f"{printable(path)}: cannot be read ({reason(error)}); {advice}")
