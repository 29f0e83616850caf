"""Sources of pairs of an image and its mask: the bundled sample and the Oxford-IIIT Pet Dataset.

A source is a function of its settings that returns the pairs of every split, which `pets_seg.data.cache` decodes.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pets_seg.config.parts import build, locate
from pets_seg.config.rules import arguments_of
from pets_seg.config.schema import IGNORED, Data, optional
from pets_seg.data.download import download_oxford_pet
from pets_seg.data.own_folder import folder as folder
from pets_seg.data.pairs import SPLITS, Pair, Source, expand_user, unreadable
from pets_seg.errors import InputError, printable
from pets_seg.machine.files import open_regular
from pets_seg.machine.home import user_cache

LICENCE = (
    "CC BY-SA 4.0; Oxford-IIIT Pet Dataset: Parkhi, Vedaldi, Zisserman, Jawahar, Cats and Dogs, CVPR 2012, "
    "https://www.robots.ox.ac.uk/~vgg/data/pets/"
)


class AbsentError(InputError):
    """Data that are not here and may not be downloaded now."""


def read_source(data: Mapping[str, Any], needed: Sequence[str] = SPLITS) -> Source:
    """Return the source of a `data` option's settings; InputError if it is not a source, or a needed split is empty."""
    name = data["name"]
    taken, _ = arguments_of(locate(data, "data"), 0)
    # Else the source and the package would both do what the setting says.
    for key in sorted(optional(Data) & taken.keys()):
        raise InputError(
            f"data={name}: {data['_target_']} takes {key}, which the package reads itself; rename this argument"
        )
    source = build("data", data)
    _check_source(f"data={name}: {data['_target_']}", source)
    count = len({pair.stem for pairs in source.splits.values() for pair in pairs})
    if not count:
        raise InputError(f"data={name}: holds no image")
    for split in needed:
        if not source.splits[split]:
            raise InputError(f"data={name}: no image for split={split}, of {count} in all; add images{source.advice}")
    return source


def _check_source(what: str, source: Any) -> None:
    if not isinstance(source, Source) or not isinstance(source.splits, Mapping):
        raise InputError(f"{what}: must return a pets_seg.data.Source")
    split_of_stem: dict[str, str] = {}
    for split in SPLITS:
        pairs = source.splits.get(split)
        if not isinstance(pairs, list) or not all(isinstance(pair, Pair) for pair in pairs):
            raise InputError(f"{what}: splits must have a list of pets_seg.data.Pair for {split}")
        for pair in pairs:
            # A pair with a problem is reported with the other unusable ones.
            if not pair.problem and (other := split_of_stem.setdefault(pair.stem, split)) != split:
                raise InputError(f"{what}: {printable(pair.stem)} is in {other} and in {split}; a stem is in one split")
    values = source.mask_values
    if values is not None and not (isinstance(values, Mapping) and values):
        raise InputError(f"{what}: mask_values must say what values mean, or be None")
    for value, meaning in (values or {}).items():
        if type(value) is not int or not 0 <= value <= 65535 or meaning not in (0, 1, IGNORED):
            raise InputError(
                f"{what}: mask_values has {value}: {meaning}; a value from 0 to 65535 means 0, 1 or {IGNORED}"
            )


def sample() -> Source:
    """Return the pairs that come with the package, in the official splits."""
    return annotated(Path(__file__).parent / "sample" / "oxford-iiit-pet")


def oxford_pet(root: str | None = None, download: bool = True) -> Source:
    """Return the Oxford-IIIT Pet Dataset under `root`, downloaded if needed; a tenth of trainval is for validation."""
    place = expand_user("data.root", root).absolute() if root else user_cache("data.root")
    # The data set itself may be given instead of the folder around it.
    folder = place if os.path.isfile(place / "annotations" / "trainval.txt") else place / "oxford-iiit-pet"
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        if not download:
            raise AbsentError(
                f"data=oxford_pet: sought in {printable(folder)} and not found (data.download=false); "
                "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
            ) from None
        download_oxford_pet(place)
    except (OSError, ValueError) as error:
        raise unreadable(folder, error, "set data.root to the folder that holds oxford-iiit-pet/") from error
    return annotated(folder)


def annotated(folder: Path) -> Source:
    """Return the pairs of an oxford-iiit-pet/ in the official splits."""
    trainval = _read_list(folder, "trainval")
    train = [pair for index, pair in enumerate(trainval) if index % 10 != 0]
    splits = {"train": train, "valid": trainval[::10], "test": _read_list(folder, "test")}
    return Source(splits, trimaps=True, licence=LICENCE)


def _read_list(folder: Path, name: str) -> list[Pair]:
    path = folder / "annotations" / f"{name}.txt"
    try:
        with open_regular(path) as file:
            lines = file.read().decode().splitlines()
    except (OSError, ValueError) as error:
        cause = ValueError("not a text file") if isinstance(error, UnicodeDecodeError) else error
        raise unreadable(path, cause, "data.root must hold a whole oxford-iiit-pet/") from error
    pairs: list[Pair] = []
    listed: set[str] = set()
    for stem in [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]:
        if stem in (".", "..") or "/" in stem or "\\" in stem or "\0" in stem:
            raise InputError(
                f"{printable(path)}: '{printable(stem)}' is not the name of a file; each line starts with a stem"
            )
        problem = "listed twice" if stem in listed else None
        listed.add(stem)
        image, trimap = folder / "images" / f"{stem}.jpg", folder / "annotations" / "trimaps" / f"{stem}.png"
        pairs.append(Pair(stem, image, trimap, problem))
    return pairs
