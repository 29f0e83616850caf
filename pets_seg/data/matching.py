"""Match images to masks by their names."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pets_seg.data.pairs import Pair, unreadable
from pets_seg.errors import InputError, printable

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif"}
IMAGE_SUFFIXES |= {".ppm", ".pgm", ".pbm", ".pnm"}
# Of pictures that other programs write.
OTHER_SUFFIXES = {".heic", ".heif", ".npy", ".npz", ".tga", ".psd", ".jp2", ".j2k", ".jxl", ".svg", ".dng", ".cr2"}
OTHER_SUFFIXES |= {".nef", ".arw", ".raw", ".exr", ".hdr", ".mat", ".xcf", ".json", ".xml", ".txt", ".ico"}


@dataclass(frozen=True)
class Found:
    """The files under images/ or masks/, by their stem: the path there without suffix."""

    folder: Path
    files: Mapping[str, Sequence[Path]]
    others: Mapping[str, Path]


def normal(name: str) -> str:
    """Return a name in the Unicode form NFC: a Mac may have written it in another."""
    return unicodedata.normalize("NFC", name)


def list_files(root: Path, name: str) -> Found:
    """Return the image files under `root/name` and its sub-folders, hidden ones left out, and files of other kinds."""
    folder, advice = root / name, "data.root must hold images/ and masks/"
    try:
        os.stat(folder)
    except FileNotFoundError:
        held = sorted(os.listdir(root))[:5] if os.access(root, os.R_OK) else None
        there = f" (there: {', '.join(map(printable, held))})" if held else ""
        raise InputError(f"data=folder: sought in {printable(folder)} and not found{there}; {advice}") from None
    except (OSError, ValueError) as error:
        raise unreadable(folder, error, advice) from error
    files: dict[str, list[Path]] = {}
    others: dict[str, Path] = {}
    for path in _walk(folder, advice):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if path.suffix.lower() in IMAGE_SUFFIXES:
            files.setdefault(stem, []).append(path)
        elif path.suffix.lower() in OTHER_SUFFIXES:
            others.setdefault(stem, path)
    return Found(folder, files, others)


def _walk(folder: Path, advice: str) -> list[Path]:
    def fail(error: OSError) -> None:
        raise unreadable(Path(error.filename or folder), error, advice) from error

    paths: list[Path] = []
    try:
        for place, folders, names in os.walk(folder, onerror=fail, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
            paths += [Path(place, name) for name in names if not name.startswith(".")]
            if len(Path(place).relative_to(folder).parts) > 20:
                raise InputError(f"{printable(folder)}: its sub-folders lead deeper than 20; a link may lead back")
    except ValueError as error:
        raise unreadable(folder, error, advice) from error
    return sorted(paths)


def match(images: Found, masks: Found, mask_suffix: str) -> list[Pair]:
    """Return a pair for every stem, sorted; one without its image or mask has a problem.

    A mask is named as its image without suffix, then `mask_suffix`; or as its image with suffix. Upper and lower case,
    and Unicode's forms of an accent, are the same where no other file is meant. Raises InputError if nothing matches.
    """
    of_mask = {
        stem.removesuffix(mask_suffix): paths for stem, paths in masks.files.items() if stem.endswith(mask_suffix)
    }
    mask_of = _lookup(of_mask, images.files)
    pairs, used = [], set()
    for stem, paths in _one_by_one(images.files, of_mask):
        whole = f"{stem}{paths[0].suffix}"
        # A mask of this name is that of another image, if there is one.
        key = mask_of(stem) or (None if whole in images.files else mask_of(whole))
        found = list(of_mask[key]) if key else []
        used.add(key)
        problem = _problem(stem, list(paths), found, masks, "mask in masks/")
        pairs.append(Pair(stem, paths[0], (found or paths)[0], problem))
    matched = any(pair.image != pair.trimap for pair in pairs)
    for stem, rest in of_mask.items():
        if stem not in used:
            problem = _problem(stem, [], list(rest), images, "image in images/")
            pairs.append(Pair(stem, rest[0], rest[0], problem))
    for stem, rest in masks.files.items():
        if not stem.endswith(mask_suffix) and stem not in images.files:
            problem = f"its name does not end in data.mask_suffix={printable(mask_suffix)}"
            pairs.append(Pair(stem, rest[0], rest[0], problem))
    if images.files and masks.files and not matched:
        raise InputError(_nothing_matches(images, masks, mask_suffix))
    for empty, full in ((images, masks), (masks, images)):
        if not empty.files:
            raise InputError(_holds_none(empty, full))
    return sorted(pairs, key=lambda pair: pair.stem)


def _one_by_one(
    images: Mapping[str, Sequence[Path]], masks: Mapping[str, object]
) -> Iterator[tuple[str, Sequence[Path]]]:
    """Return images by stem; those that share one by their whole names, if masks are named so."""
    for stem, paths in images.items():
        whole = [f"{stem}{path.suffix}" for path in paths]
        if len(paths) > 1 and all(name in masks for name in whole):
            yield from ((name, [path]) for name, path in zip(whole, paths, strict=True))
        else:
            yield stem, paths


def _lookup(masks: Mapping[str, object], images: Mapping[str, object]) -> Callable[[str], str | None]:
    """Return a function that finds a mask as it is written, else where only the Unicode form or the case differs."""
    folds: tuple[Callable[[str], str], ...] = (normal, lambda stem: normal(normal(stem).casefold()))
    alike = [(fold, _by_fold(masks, fold), _by_fold(images, fold)) for fold in folds]

    def find(stem: str) -> str | None:
        if stem in masks:
            return stem
        for fold, of_masks, of_images in alike:
            key = fold(stem)
            if len(of_masks.get(key, [])) == 1 and len(of_images.get(key, [])) <= 1:
                return of_masks[key][0]
        return None

    return find


def _by_fold(stems: Iterable[str], fold: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for stem in stems:
        groups.setdefault(fold(stem), []).append(stem)
    return groups


def _problem(stem: str, images: list[Path], masks: list[Path], others: Found, missing: str) -> str | None:
    if not images or not masks:
        # A file of the same name but another kind, or of a similar name.
        other = others.others.get(stem)
        if other is not None:
            return f"has no {missing}: {printable(other.name)} is of a kind that is not read"
        close = get_close_matches(stem[:100], [*others.files][:2000], n=1, cutoff=0.8)
        there = f"; there is {printable(others.files[close[0]][0].name)}" if close else ""
        return f"has no {missing}{there}"
    if len(images) + len(masks) > 2:
        return "has more than one file: " + ", ".join(printable(path.name) for path in images + masks)
    if any("\ud800" <= char <= "\udfff" for char in stem):
        return "its name is not UTF-8; rename it"
    return None


def _nothing_matches(images: Found, masks: Found, mask_suffix: str) -> str:
    """Return the rule by which masks are found, with an example of what was looked for and what is there."""
    stem, paths = next(iter(images.files.items()))
    # One that begins as the image does, else one that is written alike.
    begin = [name for name in masks.files if name.startswith(stem)]
    alike = get_close_matches(stem[:100], [*masks.files][:2000], n=1, cutoff=0)
    nearest = min(begin, key=len) if begin else alike[0]
    there = masks.files[nearest][0].relative_to(masks.folder)
    advice = ""
    suffix = nearest.removeprefix(stem)
    # Only a suffix that most masks have helps.
    fitting = sum(f"{name}{suffix}" in masks.files for name in images.files)
    if nearest.startswith(stem) and suffix and 2 * fitting > len(images.files):
        advice = f"; give data.mask_suffix={suffix}"
    return (
        f"data=folder: masks match by stem: {printable(paths[0].relative_to(images.folder))} needs "
        f"masks/{printable(stem + mask_suffix)}.*, there is {printable(there)}{advice}"
    )


def _holds_none(empty: Found, full: Found) -> str:
    """Return that a folder has no image, and of which kind its files are."""
    other = next(iter(empty.others.values()), None)
    there = f" ({printable(other.name)} is of a kind that is not read; save it as JPEG or PNG)" if other else ""
    count = sum(map(len, full.files.values()))
    return f"data=folder: {printable(empty.folder)} holds no image{there}; {printable(full.folder)} has {count}"
