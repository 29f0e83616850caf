"""data.lists: which images belong to which split, by text files with a name a line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pets_seg.data.matching import IMAGE_SUFFIXES, normal
from pets_seg.data.pairs import SPLITS, Pair, Splits, unreadable
from pets_seg.data.split_names import ALIASES
from pets_seg.errors import InputError, nearest, printable
from pets_seg.machine.files import read_limited

# More is no list of names.
MAX_LIST_BYTES = 100_000_000
# More is no path on any system.
LONGEST_NAME = 4096
NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?")

Known = Mapping[str, list[Pair]]


def listed(pairs: Sequence[Pair], folder: Path) -> Splits:
    """Return the pairs that the lists in `folder` name: by stem, file name or path, at the beginning of a line.

    Numbers and the pair's own mask may follow; a line that begins with # and names no picture is a comment.
    """
    known: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in _names_of(pair):
            found = known.setdefault(name, [])
            if pair not in found:
                found.append(pair)
    splits: Splits = {}
    split_of: dict[str, str] = {}
    for split, (file, lines) in _read_lists(folder).items():
        splits[split] = []
        for line in lines:
            where = f"data.lists: {file} has {printable(line)}"
            named = _find(line, known, where)
            if named is None:
                continue
            if other := split_of.get(named.stem):
                raise InputError(
                    f"{where}, which {'it has already' if other == split else f'the list of {other} has too'}"
                )
            split_of[named.stem] = split
            splits[split].append(named)
    if not split_of:
        wanted = ", ".join(f"{split}.txt" for split in SPLITS)
        raise InputError(f"data.lists={printable(folder)}: holds no name in {wanted}")
    return splits


def _names_of(pair: Pair) -> Iterable[str]:
    stem, path = normal(pair.stem), pair.image
    yield from dict.fromkeys((stem, stem + path.suffix, normal(path.name), normal(path.stem), normal(path.as_posix())))


def _find(line: str, known: Known, where: str) -> Pair | None:
    """Return the pair that a line names, None for a comment."""
    found, unfit = _named(line, known), None
    if not found:
        # A name may hold spaces, so it may end at any of them.
        for gap in re.finditer(r"\s+", line[:LONGEST_NAME]):
            begun = _named(line[: gap.start()], known)
            fitting = [pair for pair in begun if _may_follow(line[gap.end() :], pair)]
            found = [*found, *fitting]
            unfit = begun[0] if begun and not fitting else unfit
    if line.startswith("#"):
        if found:
            raise InputError(f"{where}, a comment or a picture; begin the line with ./ or images/ if it is a picture")
        return None
    if len(found) > 1:
        several = " and ".join(printable(pair.stem) for pair in found[:2])
        raise InputError(f"{where}, which could be {several}; give the path below images/ with its suffix")
    if found:
        return found[0]
    if unfit:
        raise InputError(
            f"{where}, of which there is no image under data.root, and what follows {printable(unfit.stem)} is neither "
            "a number nor its own mask; mend the line"
        )
    raise InputError(f"{where}, of which there is no image under data.root{nearest(line, known)}")


def _named(word: str, known: Known) -> list[Pair]:
    """Return the pairs that a stem, file name or path may mean."""
    name = normal(word.replace("\\", "/")).removeprefix("./").removeprefix("images/")
    # As a path it may begin with folders above images/.
    below = name.rpartition("/images/")[2]
    for candidate in dict.fromkeys((name, below, _stem(name), _stem(below))):
        if found := known.get(candidate):
            # Of pictures of the same name the one without sub-folder is meant by it.
            exact = [pair for pair in found if candidate in (stem := normal(pair.stem), stem + pair.image.suffix)]
            return exact or found
    return []


def _may_follow(text: str, pair: Pair) -> bool:
    """Return whether `text` holds numbers and the pair's own files alone; only between tabs a file has spaces."""
    fields = [field.strip() for field in text.split("\t")]
    return all(_is_own(field, pair) or all(_is_own(word, pair) for word in field.split()) for field in fields)


def _is_own(word: str, pair: Pair) -> bool:
    if NUMBER.fullmatch(word):
        return True
    path = "/" + normal(word.replace("\\", "/")).removeprefix("./").lstrip("/")
    # A word without folder and suffix may as well be a part of a name.
    if path.count("/") == 1 and _stem(path) == path:
        return False
    place = re.match(r".*/(images|masks)(?=/)", path)
    files = [file for part, file in (("images", pair.image), ("masks", pair.trimap)) if not place or place[1] == part]
    ending = _stem(path[place.end() :] if place else path)
    return any(_stem(normal(file.as_posix())).endswith(ending) for file in files)


def _stem(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES else name


def _read_lists(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Return by split the name of its list and what it holds; nothing for one that is not there."""
    lists: dict[str, tuple[str, list[str]]] = {}
    for split, aliases in ALIASES.items():
        lists[split] = f"{split}.txt", []
        there = [
            (f"{alias}.txt", names) for alias in aliases if (names := _read_names(folder / f"{alias}.txt")) is not None
        ]
        if len(there) > 1:
            raise InputError(f"data.lists={printable(folder)}: holds {there[0][0]} and {there[1][0]}; keep one of them")
        if there:
            lists[split] = there[0]
    return lists


def _read_names(path: Path) -> list[str] | None:
    try:
        text = read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, "data.lists must hold text files with a name a line") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line]
