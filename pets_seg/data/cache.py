"""The pixel cache: every pair decoded and resized once, into memory-mapped uint8 arrays."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from tqdm import tqdm

from pets_seg.data.decode import BadFileError, decode_pair
from pets_seg.data.sources import SPLITS, Splits, list_pairs
from pets_seg.errors import InputError

# Part of the key: a change of what decoding gives must change it.
RESIZE_RULE = "image antialiased bilinear, trimap nearest, square; 2"
log = logging.getLogger("pets_seg")


@dataclass(frozen=True)
class Split:
    """One split: row `rows[i]` of `images` (N,3,S,S) and `trimaps` (N,S,S), uint8, belongs to `stems[i]`."""

    stems: list[str]
    rows: torch.Tensor
    images: torch.Tensor
    trimaps: torch.Tensor

    def __len__(self) -> int:
        return len(self.stems)


@dataclass(frozen=True)
class Dataset:
    """The splits of a source at one size."""

    train: Split
    valid: Split
    test: Split


def open_dataset(data: Mapping[str, Any]) -> Dataset:
    """Return the pixels for the `data` group of a configuration, decoded first if they are not in the cache.

    Raises InputError as `ensure_decoded` does; pairs that `data.skip_bad` leaves out are named in a warning.
    """
    folder = ensure_decoded(data)
    index = _read_index(folder)
    if index["bad"]:
        log.warning(f"left out: {_describe_bad(index)}")
    # Copy on write: torch wants an array that it may write to, and the files must stay as they are.
    images = torch.from_numpy(np.load(folder / "images.npy", mmap_mode="c"))
    trimaps = torch.from_numpy(np.load(folder / "trimaps.npy", mmap_mode="c"))
    splits = {name: (index[name]["stems"], torch.tensor(index[name]["rows"])) for name in SPLITS}
    return Dataset(**{name: Split(stems, rows, images, trimaps) for name, (stems, rows) in splits.items()})


def ensure_decoded(data: Mapping[str, Any]) -> Path:
    """Return the cache folder for the `data` group of a configuration, decoding its pairs if they are not there.

    Processes that ask for the same pixels together decode them once. Raises InputError if the source is not there, if
    the cache cannot be written, or, unless `data.skip_bad`, if any pair cannot be used.
    """
    splits = list_pairs(data)
    root = Path(data["cache_dir"]).expanduser() if data["cache_dir"] else user_cache_path("pets_seg") / "pixels"
    folder = root / cache_key(splits, data["size"])
    if not folder.exists():
        try:
            _build_once(folder, splits, data["size"])
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"the pixel cache {root} cannot be written ({reason}); set data.cache_dir to a folder that can"
            ) from error
    index = _read_index(folder)
    if index["bad"] and not data["skip_bad"]:
        raise InputError(f"{_describe_bad(index)}; mend or remove them, or leave them out with data.skip_bad=true")
    for split in SPLITS:
        if not index[split]["stems"]:
            raise InputError(f"no usable image is left for split={split}: {_describe_bad(index)}")
    return folder


def cache_key(splits: Splits, size: int) -> str:
    """Return the name of the cache: a hash of the lists, the files' sizes and times of change, and the resize rule."""
    digest = hashlib.sha256(f"{RESIZE_RULE} {size}".encode())
    for split in SPLITS:
        for pair in splits[split]:
            parts = (split, pair.stem, pair.problem, pair.image, _stamp(pair.image), pair.trimap, _stamp(pair.trimap))
            digest.update("\0".join(map(str, parts)).encode(errors="surrogateescape"))
    return digest.hexdigest()[:24]


def _stamp(path: Path) -> str:
    try:
        stat = os.stat(path)
    except OSError:
        return "absent"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _build_once(folder: Path, splits: Splits, size: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    try:
        if not folder.exists():
            beside = folder.with_suffix(".part")
            # What a killed process left: the lock is ours, so nobody is at work on it.
            shutil.rmtree(beside, ignore_errors=True)
            try:
                _build(beside, splits, size)
                os.replace(beside, folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    finally:
        lock.release()


def _build(folder: Path, splits: Splits, size: int) -> None:
    folder.mkdir()
    pairs = [pair for split in SPLITS for pair in splits[split]]
    images = _new_array(folder / "images.npy", (len(pairs), 3, size, size))
    trimaps = _new_array(folder / "trimaps.npy", (len(pairs), size, size))

    def decode(row: int) -> str | None:
        try:
            images[row], trimaps[row] = decode_pair(pairs[row], size)
        except BadFileError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decoded = pool.map(decode, range(len(pairs)))
        # disable=None: no bar where there is no terminal.
        problems = list(tqdm(decoded, "decoding images", len(pairs), unit=" images", leave=False, disable=None))
    for array, name in ((images, "images.npy"), (trimaps, "trimaps.npy")):
        array.flush()
        _sync(folder / name)
    first = 0
    index: dict[str, Any] = {"bad": [[pair.stem, why] for pair, why in zip(pairs, problems, strict=True) if why]}
    for split in SPLITS:
        rows = range(first, first + len(splits[split]))
        first = rows.stop
        usable = [row for row in rows if problems[row] is None]
        index[split] = {"stems": [pairs[row].stem for row in usable], "rows": usable}
    (folder / "index.json").write_text(json.dumps(index))
    _sync(folder / "index.json")


def _new_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    # Without this a full disk shows as a fatal signal when a page is written, not as an error here.
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _sync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _read_index(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "index.json").read_text())


def _describe_bad(index: Mapping[str, Any]) -> str:
    """Return one line that names the first ten bad pairs and counts the others."""
    bad = index["bad"]
    total = len(bad) + sum(len(index[split]["stems"]) for split in SPLITS)
    named = ", ".join(f"{stem} ({why})" for stem, why in bad[:10])
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    return f"{len(bad)} of {total} pairs cannot be used: {named}{more}"
