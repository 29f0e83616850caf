"""data=folder: the images and masks of a user's own folder, matched by name and assigned to splits."""

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from pets_seg.config.schema import SEED
from pets_seg.data.lists import listed
from pets_seg.data.mask_values import check_mask_values
from pets_seg.data.matching import list_files, match
from pets_seg.data.pairs import SPLITS, Pair, Source, Splits, expand_user
from pets_seg.data.split_names import SPLIT_OF, refuse_unused, split_like
from pets_seg.data.splits import by_hash, seed_that_fills
from pets_seg.errors import InputError, printable

# Pictures hold 32 bits a value at most.
MAX_VALUE = float(np.finfo(np.float32).max)


def folder(
    root: str,
    split_seed: Annotated[int, SEED] = 0,
    mask_suffix: str = "",
    mask_values: dict[str, list[Any]] | None = None,
    mask_threshold: float | None = None,
    range: list[float] | None = None,
    lists: str | Path | None = None,
    group: str | None = None,
) -> Source:
    """Return the pairs of images/ and masks/ under `root`, or of those under its train/, valid/ and test/.

    Splits come from these folders, else from train.txt, valid.txt and test.txt in `lists`, else from a hash of the stem
    and `split_seed`, or of what the expression `group` finds in the stem.
    """
    _check_settings(mask_suffix, mask_values, mask_threshold, range)
    place = expand_user("data.root", root).absolute()
    notes, advice = [], ""
    of_folders, alike = split_folders(place)
    if of_folders and not os.path.isdir(place / "images"):
        _refuse_settings("data.root has train/ with images/ and masks/", split_seed, lists, group)
        used, beside = ", ".join(of_folders.values()), alike
        splits = {split: _of_split(split, place / of_folders[split], mask_suffix) for split in of_folders}
    else:
        used, beside = "images/ and masks/", [*of_folders.values(), *alike]
        _refuse_wrong_root(place)
        pairs = match(list_files(place, "images"), list_files(place, "masks"), mask_suffix)
        if lists is not None:
            _refuse_settings("data.lists", split_seed, None, group)
            splits = listed(pairs, expand_user("data.lists", str(lists)).absolute())
            if unused := len(pairs) - sum(map(len, splits.values())):
                notes.append(f"{unused} pairs under data.root are in none of the lists")
        elif sub_folders := _of_sub_folders(pairs):
            _refuse_settings("images/ has train/ and others that", split_seed, None, group)
            splits = sub_folders
        else:
            splits, advice = _hashed(pairs, split_seed, group)
    if beside:
        notes.insert(0, f"{used} are used, and {printable(', '.join(beside))} beside them are not")
    return Source(
        {split: splits.get(split, []) for split in SPLITS},
        named_values=mask_values,
        threshold=mask_threshold,
        value_range=range,
        notes=notes,
        advice=advice,
    )


def _check_settings(
    mask_suffix: str,
    mask_values: dict[str, list[Any]] | None,
    mask_threshold: float | None,
    range: list[float] | None,
) -> None:
    if mask_suffix.endswith(("/", "\\")):
        raise InputError(
            f"data.mask_suffix={printable(mask_suffix)}: must not end in a path separator; give the end of a mask's "
            "name, e.g. data.mask_suffix=_mask, or /mask for masks/NAME/mask.png"
        )
    check_mask_values(mask_values)
    if mask_values is not None and mask_threshold is not None:
        raise InputError("data.mask_values and data.mask_threshold: give one of them")
    # Neither infinity nor NaN is at most that.
    if range is not None and not (
        len(range) == 2 and range[0] < range[1] and all(abs(value) <= MAX_VALUE for value in range)
    ):
        raise InputError(
            f"data.range={printable(range)}: needs the values of black and white, e.g. data.range=[0,4095]"
        )
    if mask_threshold is not None and not math.isfinite(mask_threshold):
        raise InputError(f"data.mask_threshold={mask_threshold}: must be a finite number, e.g. data.mask_threshold=128")


def _refuse_settings(where: str, split_seed: int, lists: str | Path | None, group: str | None) -> None:
    given = {"data.split_seed": split_seed or None, "data.lists": lists, "data.group": group}
    if keys := [key for key, value in given.items() if value is not None]:
        raise InputError(f"{keys[0]}: does nothing where {where} assigns images to splits; leave it out")


def _refuse_wrong_root(place: Path) -> None:
    if os.path.isdir(place / "images") and os.path.isdir(place / "masks"):
        return
    for found in (place, place / "oxford-iiit-pet"):
        if os.path.isfile(found / "annotations" / "trainval.txt"):
            raise InputError(
                f"data=folder: {printable(found)} is the Oxford-IIIT Pet Dataset; give data=oxford_pet instead"
            )


def split_folders(place: Path) -> tuple[dict[str, str], list[str]]:
    """Return by split the name of the folder under `place` that holds its images/, and others that are named alike.

    Raises InputError if two are of one split, or if images/ is not there and not all that look like splits are.
    """
    try:
        names = [
            name for name in sorted(os.listdir(place)) if split_like(name) and os.path.isdir(place / name / "images")
        ]
    except (OSError, ValueError):
        return {}, []
    folders: dict[str, str] = {}
    for name in names:
        split = SPLIT_OF.get(name.lower())
        if split is None:
            continue
        if split in folders:
            raise InputError(
                f"data=folder: {printable(place)} has {folders[split]}/ and {name}/ with images/; keep one of them"
            )
        folders[split] = name
    if not os.path.isdir(place / "images"):
        refuse_unused(names, folders, printable(place), "")
    return folders, [name for name in names if name.lower() not in SPLIT_OF]


def _of_split(split: str, place: Path, mask_suffix: str) -> list[Pair]:
    pairs = match(list_files(place, "images"), list_files(place, "masks"), mask_suffix)
    # The same name may stand in several of these folders.
    return [Pair(f"{split}/{pair.stem}", pair.image, pair.trimap, pair.problem) for pair in pairs]


def _of_sub_folders(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Return the pairs by split if images/ and masks/ themselves are divided into train/, valid/ and test/."""
    first = {pair.stem.partition("/")[0] if "/" in pair.stem else "": pair.stem for pair in pairs}
    of_splits = [name for name in first if name.lower() in SPLIT_OF]
    if len({SPLIT_OF[name.lower()] for name in of_splits}) < 2:
        return {}
    if others := [stem for name, stem in first.items() if name not in of_splits]:
        raise InputError(
            f"data=folder: images/ has {', '.join(of_splits)}, and beside them {printable(others[0])}, which is in no "
            "split; move it into one of them, or give data.lists"
        )
    splits: dict[str, list[Pair]] = {}
    for pair in pairs:
        splits.setdefault(SPLIT_OF[pair.stem.partition("/")[0].lower()], []).append(pair)
    return splits


def _hashed(pairs: Sequence[Pair], split_seed: int, group: str | None) -> tuple[Splits, str]:
    """Return the pairs in the splits of a hash, and what else to do where one is empty."""
    key = _group_key(group)
    usable = [pair for pair in pairs if not pair.problem]
    # A sub-folder whose masks are missing, as those of a test set may be, is not mixed with the others.
    folders = (pair.stem.rpartition("/")[0] for pair in usable)
    refuse_unused(folders, (), "images/", " directly under images/ and masks/, or give data.lists")
    splits = by_hash(usable, split_seed, key)
    # They are named with the other unusable ones, whatever their group.
    for split, bad in by_hash([pair for pair in pairs if pair.problem], split_seed, lambda stem: stem).items():
        splits[split] = sorted(splits[split] + bad, key=lambda pair: pair.stem)
    seed = seed_that_fills([key(pair.stem) for pair in usable])
    return splits, "" if seed is None else f", or with data=folder split again by data.split_seed={seed}"


def _group_key(group: str | None) -> Callable[[str], str]:
    if group is None:
        return lambda stem: stem
    try:
        expression = re.compile(group)
    except re.error as error:
        raise InputError(f"data.group={printable(group)}: is not a regular expression ({error})") from None

    def key(stem: str) -> str:
        found = expression.search(stem)
        if not found:
            raise InputError(
                f"data.group={printable(group)}: finds nothing in {printable(stem)}; every stem has a group"
            )
        part = found.group(1) if expression.groups else found.group()
        if not part:
            raise InputError(
                f"data.group={printable(group)}: finds no text in {printable(stem)}; every stem has a group"
            )
        return part

    return key
