"""Sources of pairs of an image and its trimap: the bundled sample, the Oxford-IIIT Pet Dataset, a user's folder.

A source is a function of its settings that returns the pairs of every split, which `pets_seg.data.cache` decodes.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pets_seg.config.parts import build
from pets_seg.config.schema import IGNORED, SEED
from pets_seg.data.download import download_oxford_pet
from pets_seg.errors import InputError, printable, reason
from pets_seg.machine.files import open_regular
from pets_seg.machine.home import user_cache

SPLITS = ("train", "valid", "test")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


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

    `mask_values` maps values in mask files to 0 background, 1 pet, 255 not counted; None: as `decode.ENCODINGS`.
    """

    splits: Splits
    mask_values: Mapping[int, int] | None = None


def read_source(data: Mapping[str, Any]) -> Source:
    """Return the source of a `data` option's settings; InputError if it is not a source, or a split is empty."""
    name, source = data["name"], build("data", data)
    _check_source(f"data={name}: {data['_target_']}", source)
    for split in SPLITS:
        if not source.splits[split]:
            stems = {pair.stem for pairs in source.splits.values() for pair in pairs}
            seeds = (seed for seed in range(1000) if {split_of(stem, seed) for stem in stems} == {*SPLITS})
            seed = next(seeds, None) if len(stems) >= len(SPLITS) else None
            again = "" if seed is None else f", or with data=folder split again by data.split_seed={seed}"
            raise InputError(f"data={name}: no image for split={split}, of {len(stems)} in all; add images{again}")
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
    return _annotated(Path(__file__).parent / "sample" / "oxford-iiit-pet")


def oxford_pet(root: str | None = None, download: bool = True) -> Source:
    """Return the Oxford-IIIT Pet Dataset under `root`, downloaded if needed; a tenth of trainval is for validation."""
    place = expand_user("data.root", root).absolute() if root else user_cache("data.root")
    folder = place / "oxford-iiit-pet"
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        if not download:
            raise InputError(
                f"data=oxford_pet: sought in {printable(folder)} and not found (data.download=false); "
                "set data.root to the folder that holds oxford-iiit-pet/, or use data=sample, which runs now"
            ) from None
        download_oxford_pet(place)
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error, "set data.root to the folder that holds oxford-iiit-pet/") from error
    return _annotated(folder)


def expand_user(key: str, given: str) -> Path:
    """Return the path that is given for a setting, with ~ expanded; InputError if there is no such user."""
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f"{key}={printable(given)}: there is no such user; write the path out") from error


def _unreadable(path: Path, error: Exception, advice: str) -> InputError:
    return InputError(f"{printable(path)}: cannot be read ({reason(error)}); {advice}")


def _annotated(folder: Path) -> Source:
    trainval = _read_list(folder, "trainval")
    train = [pair for index, pair in enumerate(trainval) if index % 10 != 0]
    return Source({"train": train, "valid": trainval[::10], "test": _read_list(folder, "test")})


def _read_list(folder: Path, name: str) -> list[Pair]:
    path = folder / "annotations" / f"{name}.txt"
    try:
        with open_regular(path) as file:
            lines = file.read().decode().splitlines()
    except (OSError, ValueError) as error:
        cause = ValueError("not a text file") if isinstance(error, UnicodeDecodeError) else error
        raise _unreadable(path, cause, "data.root must hold a whole oxford-iiit-pet/") from error
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


def folder(root: str, split_seed: Annotated[int, SEED] = 0) -> Source:
    """Return the pairs of images/ and masks/ under `root`, split by a hash of their stem and `split_seed`."""
    place = expand_user("data.root", root).absolute()
    images, masks = _by_stem(place / "images"), _by_stem(place / "masks")
    splits: Splits = {split: [] for split in SPLITS}
    for stem in sorted(images.keys() | masks.keys()):
        image, mask = images.get(stem, []), masks.get(stem, [])
        problem = None
        if not image or not mask:
            problem = "has no image in images/" if mask else "has no mask in masks/"
        elif len(image) + len(mask) > 2:
            problem = "has more than one file: " + ", ".join(printable(path.name) for path in (image + mask))
        elif any("\ud800" <= char <= "\udfff" for char in stem):
            problem = "its name is not UTF-8; rename it"
        splits[split_of(stem, split_seed)].append(Pair(stem, (image or mask)[0], (mask or image)[0], problem))
    return Source(splits)


def split_of(stem: str, split_seed: int) -> str:
    """Assign a stem to train (80 %), valid (10 %) or test (10 %) by a hash, so that adding files moves none."""
    digest = hashlib.sha256(f"{split_seed}/{stem}".encode(errors="surrogatepass")).digest()
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return {0: "valid", 1: "test"}.get(tenth, "train")


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    advice = "data.root must hold images/ and masks/"
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        raise InputError(f"data=folder: sought in {printable(folder)} and not found; {advice}") from None
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error, advice) from error
    files: dict[str, list[Path]] = {}
    for path in paths:
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            files.setdefault(path.stem, []).append(path)
    return files
