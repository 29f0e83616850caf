"""data=folder: the images and masks of a user's own folder, matched by name and assigned to splits."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pets_seg.config.schema import SEED
from pets_seg.data.mask_rule import check_mask_values
from pets_seg.data.matching import Found, list_files, match
from pets_seg.data.pairs import SPLITS, Pair, Source, expand_user, unreadable
from pets_seg.data.splits import by_hash, seed_that_fills
from pets_seg.errors import InputError, nearest, printable
from pets_seg.machine.files import read_limited

# More is no list of names.
MAX_LIST_BYTES = 100_000_000


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
    check_mask_values(mask_values)
    if mask_values is not None and mask_threshold is not None:
        raise InputError("data.mask_values and data.mask_threshold: give one of them")
    if range is not None and not (len(range) == 2 and range[0] < range[1]):
        raise InputError(
            f"data.range={printable(range)}: needs the values of black and white, e.g. data.range=[0,4095]"
        )
    place = expand_user("data.root", root).absolute()
    unused, advice = 0, ""
    if not os.path.isdir(place / "images") and os.path.isdir(place / "train" / "images"):
        _refuse_settings("data.root has train/ with images/ and masks/", split_seed, lists, group)
        splits = {split: _of_split(place, split, mask_suffix) for split in SPLITS}
    else:
        _refuse_wrong_root(place)
        pairs = match(list_files(place, "images"), list_files(place, "masks"), mask_suffix)
        if lists is not None:
            _refuse_settings("data.lists", split_seed, None, group)
            splits = _listed(pairs, expand_user("data.lists", str(lists)).absolute())
            unused = len(pairs) - sum(map(len, splits.values()))
        else:
            key = _group_key(group)
            splits = by_hash(pairs, split_seed, key)
            seed = seed_that_fills([key(pair.stem) for pair in pairs])
            advice = "" if seed is None else f", or with data=folder split again by data.split_seed={seed}"
    return Source(
        splits,
        named_values=mask_values,
        threshold=mask_threshold,
        value_range=range,
        unused=unused,
        advice=advice,
    )


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


def _of_split(place: Path, split: str, mask_suffix: str) -> list[Pair]:
    name = split
    if split == "valid" and not os.path.isdir(place / split):
        name = next((other for other in ("val", "validation") if os.path.isdir(place / other)), split)
    if not os.path.isdir(place / name):
        return []
    pairs = match(list_files(place / name, "images"), list_files(place / name, "masks"), mask_suffix)
    # The same name may stand in several of these folders.
    return [Pair(f"{split}/{pair.stem}", pair.image, pair.trimap, pair.problem) for pair in pairs]


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
        return found.group(1) if expression.groups else found.group()

    return key


def _listed(pairs: Sequence[Pair], folder: Path) -> dict[str, list[Pair]]:
    """Return the pairs that the lists in `folder` name, by their stems or the names of their images."""
    known = {pair.stem: pair for pair in pairs}
    by_name = {pair.image.name: pair for pair in pairs}
    lists = {split: _read_names(folder / f"{split}.txt") for split in SPLITS}
    if not any(names is not None for names in lists.values()):
        wanted = ", ".join(f"{split}.txt" for split in SPLITS)
        raise InputError(f"data.lists={printable(folder)}: holds none of {wanted}")
    splits: dict[str, list[Pair]] = {}
    split_of: dict[str, str] = {}
    for split, names in lists.items():
        splits[split] = []
        for name in names or ():
            pair = known.get(name) or by_name.get(name) or known.get(Found.normal(name))
            where = f"data.lists: {split}.txt has {printable(name)}"
            if pair is None:
                raise InputError(f"{where}, of which there is no image under data.root{nearest(name, known)}")
            if (other := split_of.setdefault(pair.stem, split)) != split or pair in splits[split]:
                raise InputError(f"{where}, which {'it has already' if other == split else f'{other}.txt has too'}")
            splits[split].append(pair)
    return splits


def _read_names(path: Path) -> list[str] | None:
    try:
        text = read_limited(path, MAX_LIST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, "data.lists must hold text files with a name a line") from error
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
