"""Which photographs a command names, and what the files made of them are called."""

import glob
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pets_seg.data.matching import IMAGE_SUFFIXES
from pets_seg.errors import InputError, named, printable, reason
from pets_seg.machine.files import absolute

# Pictures of other programs: they are read for the line that says what to do with them.
UNREAD_SUFFIXES = {".heic", ".heif", ".jp2", ".jxl", ".psd", ".dng", ".cr2", ".nef", ".arw", ".tga"}
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


def find_photos(given: str, output: Path) -> list[Photo]:
    """Return the photographs that `given` names, a file, a folder or a pattern, in the order of their paths.

    Folders are searched with their sub-folders, hidden ones and `output` left out. Raises InputError if there are none.
    """
    whole = absolute(given)
    try:
        if whole.is_dir():
            found = _below(whole, output)
            top = whole
        elif whole.exists():
            found, top = [whole], whole.parent
        else:
            found, top = _matching(given, whole)
    except (OSError, ValueError) as error:
        raise InputError(f"input={printable(given)}: cannot be read ({reason(error)}); make it readable") from error
    if not found:
        raise InputError(f"input={printable(given)}: holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    if not whole.is_file() and output.resolve() == top.resolve():
        raise InputError(
            f"output={printable(output)}: is the folder of the photographs, and the next command would take what is "
            "made for such; give another folder"
        )
    names = [path.relative_to(top) for path in found]
    return [Photo(path, name, stem) for path, name, stem in zip(found, names, _stems(names), strict=True)]


def check_output(photos: list[Photo], output: Path, others: list[Path], overwrite: bool) -> None:
    """Raise InputError if files that are made of photographs are there, unless they may be replaced.

    None may be a photograph itself.
    """
    made = [path for photo in photos for path in photo.made(output)]
    sources = {photo.path.resolve() for photo in photos}
    if own := [path for path in made if path.resolve() in sources]:
        raise InputError(f"output={output}: {named([own[0].name])} would replace a photograph; give another folder")
    there = [path for path in [*made, *others] if os.path.lexists(path)]
    if there and not overwrite:
        raise InputError(
            f"output={printable(output)}: holds {len(there)} of the files already, e.g. "
            f"{printable(there[0].relative_to(output))}; give overwrite=true to replace them, or another folder"
        )


def _below(folder: Path, output: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    left_out, found = output.resolve(), []
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(place, name).resolve() != left_out]
        found += [Path(place, name) for name in names if not name.startswith(".") and _is_picture(name)]
    return sorted(found)


def _matching(given: str, whole: Path) -> tuple[list[Path], Path]:
    """Return the pictures that a pattern matches, and the folder before its first wildcard."""
    if not glob.has_magic(str(whole)):
        raise InputError(f"input={printable(given)}: is not there; give a photograph, a folder or a pattern")
    found = sorted(Path(path) for path in glob.glob(str(whole), recursive=True))
    files = [path for path in found if path.is_file() and _is_picture(path.name)]
    if not files:
        raise InputError(f"input={printable(given)}: matches no picture; give a photograph, a folder or a pattern")
    plain = [part for part in whole.parts if not glob.has_magic(part)]
    top = Path(*whole.parts[: next(n for n, part in enumerate([*whole.parts, "*"]) if part not in plain)])
    return files, top


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES | UNREAD_SUFFIXES


def _stems(names: list[Path]) -> list[Path]:
    """Return the names without suffix, but for those that would meet; upper and lower case meet on some systems."""
    stems = [name.with_suffix("") for name in names]
    while True:
        counts = Counter(str(stem).casefold() for stem in stems)
        longer = [name if counts[str(stem).casefold()] > 1 else stem for name, stem in zip(names, stems, strict=True)]
        if longer == stems:
            return stems
        stems = longer
