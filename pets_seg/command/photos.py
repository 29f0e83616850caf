"""Which photographs a command names, and what the files made of them are called."""

import glob
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pets_seg.command.photo_search import EVERY, TABLE, Found, search, split_pattern
from pets_seg.data.matching import IMAGE_SUFFIXES
from pets_seg.errors import InputError, named, printable, reason
from pets_seg.machine.files import absolute

MADE = ("_mask.png", "_cutout.png", "_overlay.jpg")


@dataclass(frozen=True)
class Photo:
    """A photograph: its file, its path below what was named, and the path below the output without MADE."""

    path: Path
    name: Path
    stem: Path

    def made(self, output: Path) -> list[Path]:
        """Return the files that are made of it: mask, cut-out and overlay."""
        return [output / f"{self.stem}{end}" for end in MADE]


def find_photos(given: str, output: Path) -> tuple[list[Photo], str]:
    """Return the photographs that `given` names, a file, a folder or a pattern, in the order of their paths.

    Beside them is a line that names the folders that were left out, "" for none. Raises InputError if there are no
    photographs.
    """
    whole = absolute(given)
    try:
        if whole.exists() and not whole.is_dir():
            return _named([whole], whole.parent), ""
        top, pattern = (whole, EVERY) if whole.is_dir() else _pattern(given, whole)
        found = search(top, pattern) if top.is_dir() else Found([], [])
    except (OSError, ValueError) as error:
        where = getattr(error, "filename", None)
        what = f" {printable(os.fsdecode(where))}" if where and Path(os.fsdecode(where)) != whole else ""
        raise InputError(
            f"input={printable(given)}:{what} cannot be read ({reason(error)}); make it readable"
        ) from error
    if found.left_out == [top]:
        raise InputError(
            f"input={printable(given)}: {printable(top)} is the output of an earlier command, as it holds {TABLE}; "
            "give the folder of the photographs"
        )
    outputs = named([path.relative_to(top).as_posix() for path in found.left_out])
    left_out = f"left out as outputs of earlier commands, which hold {TABLE}: {outputs}" if outputs else ""
    if not found.files:
        lacks = (
            f"holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})"
            if pattern is EVERY
            else "matches no picture; give a photograph, a folder or a pattern"
        )
        raise InputError("; ".join([f"input={printable(given)}: {lacks}", *([left_out] if left_out else [])]))
    if os.path.realpath(output) == os.path.realpath(top):
        raise InputError(
            f"output={printable(output)}: is the folder of the photographs, and the next command would take it for "
            "what an earlier one made; give another folder"
        )
    return _named(found.files, top), left_out


def _pattern(given: str, whole: Path) -> tuple[Path, Sequence[str]]:
    """Return the folder in which a pattern is sought, and the parts of the pattern there."""
    if not glob.has_magic(str(whole)):
        raise InputError(f"input={printable(given)}: is not there; give a photograph, a folder or a pattern")
    top, pattern = split_pattern(whole)
    if ".." in pattern:
        raise InputError(
            f"input={printable(given)}: has .. behind a wildcard, from where it would lead into many folders; give .. "
            "before the first wildcard, or not at all"
        )
    return top, pattern


def _named(files: Sequence[Path], top: Path) -> list[Photo]:
    names = [path.relative_to(top) for path in files]
    return [Photo(path, name, stem) for path, name, stem in zip(files, names, _stems(names), strict=True)]


def _stems(names: list[Path]) -> list[Path]:
    """Return the names without suffix, but for those that would meet; upper and lower case meet on some systems."""
    stems = [name.with_suffix("") for name in names]
    while True:
        counts = Counter(str(stem).casefold() for stem in stems)
        longer = [name if counts[str(stem).casefold()] > 1 else stem for name, stem in zip(names, stems, strict=True)]
        if longer == stems:
            return stems
        stems = longer
