"""data.lists: which images belong to which split, by text files with a name a line."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pets_seg.data.matching import IMAGE_SUFFIXES, normal
from pets_seg.data.pairs import SPLITS, Pair, Splits, unreadable
from pets_seg.data.split_names import ALIASES
from pets_seg.errors import InputError, nearest, printable
from pets_seg.machine.files import read_limited

# More is no list of names.
MAX_LIST_BYTES = 100_000_000


def listed(pairs: Sequence[Pair], folder: Path) -> Splits:
    """Return the pairs that the lists in `folder` name: by stem, file name or path, the first word of a line or all."""
    known: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in _names_of(pair):
            found = known.setdefault(name, [])
            if pair not in found:
                found.append(pair)
    splits: Splits = {}
    split_of: dict[str, str] = {}
    for split, (file, names) in _read_lists(folder).items():
        splits[split] = []
        for name in names:
            where = f"data.lists: {file} has {printable(name)}"
            pair = _find(name, known, where)
            if other := split_of.get(pair.stem):
                raise InputError(
                    f"{where}, which {'it has already' if other == split else f'the list of {other} has too'}"
                )
            split_of[pair.stem] = split
            splits[split].append(pair)
    return splits


def _names_of(pair: Pair) -> Iterable[str]:
    stem, path = normal(pair.stem), pair.image
    yield from dict.fromkeys((stem, stem + path.suffix, normal(path.name), normal(path.stem), normal(path.as_posix())))


def _find(line: str, known: dict[str, list[Pair]], where: str) -> Pair:
    # What follows the first word may be a mask or a number; a whole line that is a file name has no other word.
    words = (line,) if _stem(line) != line and " " in line and line.count(".") == 1 else (line, line.split()[0])
    for word in dict.fromkeys(words):
        name = normal(word.replace("\\", "/")).removeprefix("./").removeprefix("images/")
        # As a path it may begin with folders above images/.
        below = name.rpartition("/images/")[2]
        for candidate in dict.fromkeys((name, below, _stem(name), _stem(below))):
            found = known.get(candidate, [])
            # Of pictures of the same name the one without sub-folder is meant by its stem.
            exact = [pair for pair in found if normal(pair.stem) == candidate]
            if len(exact or found) == 1:
                return (exact or found)[0]
            if found:
                several = " and ".join(printable(pair.stem) for pair in found[:2])
                raise InputError(f"{where}, which could be {several}; give the path below images/")
    raise InputError(f"{where}, of which there is no image under data.root{nearest(line, known)}")


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
    if not any(names for _, names in lists.values()):
        wanted = ", ".join(f"{split}.txt" for split in SPLITS)
        raise InputError(f"data.lists={printable(folder)}: holds no name in {wanted}")
    return lists


def _read_names(path: Path) -> list[str] | None:
    try:
        text = read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, "data.lists must hold text files with a name a line") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
