"""The pictures that a pattern matches below a folder; what earlier commands made is left out, and links end."""

import glob
import os
from collections import deque
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from pets_seg.data.matching import IMAGE_SUFFIXES

# The table that a command writes into its output, by which that folder is known.
TABLE = "predictions.csv"
# Pictures of other programs: they are read for the line that says what to do with them.
UNREAD_SUFFIXES = {".heic", ".heif", ".jp2", ".jxl", ".psd", ".dng", ".cr2", ".nef", ".arw", ".tga"}
# A part of a pattern that stands for any number of folders.
DEEP = "**"
# All pictures of a folder and its sub-folders.
EVERY = (DEEP, "*")
# The parts of a pattern that may come next.
Places = frozenset[int]


class Found(NamedTuple):
    """The pictures, sorted, and the folders that were left out as outputs of earlier commands."""

    files: list[Path]
    left_out: list[Path]


def split_pattern(pattern: Path) -> tuple[Path, Sequence[str]]:
    """Return the folder before the first wildcard of a pattern, and the parts from there on."""
    parts = pattern.parts
    first = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:first]), parts[first:]


def search(top: Path, pattern: Sequence[str] = EVERY) -> Found:
    """Return the pictures below `top` whose path there matches the parts of a pattern; OSError for unreadable folders.

    Hidden files and folders are matched only by a part that begins with a dot. Linked folders are followed; with **
    each folder is searched once, so that loops end, and by its own path rather than by that of a link.
    """
    deep, seen = DEEP in pattern, set()
    files: dict[tuple[object, str], Path] = {}
    left_out: list[Path] = []
    own, linked = deque([(top, _from({0}, pattern))]), deque[tuple[Path, Places]]()
    while own or linked:
        place, at = (own or linked).popleft()
        status = os.stat(place)
        # On one way through the pattern it may match what it does not on another.
        identity = (status.st_dev, status.st_ino) if deep else place
        if (identity, at) in seen:
            continue
        seen.add((identity, at))
        with os.scandir(place) as entries:
            held = sorted(entries, key=lambda entry: entry.name)
        if any(entry.name == TABLE and entry.is_file() for entry in held):
            left_out.append(place)
            continue
        for entry in held:
            after = _step(at, entry.name, pattern)
            # What a link leads to cannot always be asked: it may lead to itself.
            if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path)):
                if after - {len(pattern)}:
                    (linked if entry.is_symlink() else own).append((Path(entry.path), after))
            elif len(pattern) in after and is_picture(entry.name):
                files.setdefault((identity, entry.name), Path(entry.path))
    return Found(sorted(files.values()), sorted(left_out))


def is_picture(name: str) -> bool:
    """Return whether a file has the suffix of a picture, of a kind that is read or of another."""
    return Path(name).suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES


def _step(at: Places, name: str, pattern: Sequence[str]) -> Places:
    """Return where in the pattern a name leads."""
    after = set()
    for place in at - {len(pattern)}:
        part = pattern[place]
        if name.startswith(".") and not part.startswith("."):
            continue
        if part == DEEP:
            after.add(place)
        elif fnmatch(name, part):
            after.add(place + 1)
    return _from(after, pattern)


def _from(places: Iterable[int], pattern: Sequence[str]) -> Places:
    """Return the places with those behind each ** among them, which may stand for no folder at all."""
    reached = set(places)
    for place, part in enumerate(pattern):
        if place in reached and part == DEEP:
            reached.add(place + 1)
    return frozenset(reached)
