"""The pixel cache: every pair decoded and resized once, into memory-mapped uint8 arrays."""

import hashlib
import logging
import os
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from pets_seg.data.decode import BadFileError, decode_pair
from pets_seg.data.sources import SPLITS, Source, expand_user, read_source
from pets_seg.data.verify import ARRAYS, DamagedError, read_index, write_index
from pets_seg.errors import InputError, printable, reason
from pets_seg.machine.files import FULL
from pets_seg.machine.home import user_cache

# Part of the key; to be changed together with what decoding gives.
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
    """Return the pixels for the `data` group of a configuration; warn of pairs that `data.skip_bad` leaves out.

    They are decoded first if the cache lacks them or its checksums differ. Raises InputError as `ensure_decoded` does.
    """
    folder, index = ensure_decoded(data, arrays_too=True)
    if index["bad"]:
        log.warning(f"left out: {_describe_bad(index)}")
    # Copy on write, since torch requires writable arrays and the files must not change.
    arrays = [torch.from_numpy(np.load(folder / name, mmap_mode="c")) for name in ARRAYS]
    return Dataset(*(Split(index[name]["stems"], torch.tensor(index[name]["rows"]), *arrays) for name in SPLITS))


def ensure_decoded(data: Mapping[str, Any], arrays_too: bool = False) -> tuple[Path, dict[str, Any]]:
    """Return cache folder and index for the `data` group of a configuration, decoding its pairs if they are missing.

    Processes that need the same pixels at the same time decode them once. The checksums of the pixels are verified with
    `arrays_too`. Raises InputError for a missing source, an unwritable cache and, unless `data.skip_bad`, a pair that
    cannot be used.
    """
    source, size = read_source(data), data["size"]
    given = data["cache_dir"]
    root = expand_user("data.cache_dir", given) if given else user_cache("data.cache_dir") / "pixels"
    folder = root / cache_key(source, size)
    try:
        index = read_index(folder, arrays_too)
    except DamagedError as damage:
        subject = f"{damage} and" if os.path.lexists(folder) else f"the pixel cache {root}"
        try:
            index = _build_once(folder, source, size, arrays_too)
        except OSError as error:
            count = sum(map(len, source.splits.values()))
            need = f"{count} images at {size} px need {count * 4 * size * size / 1e6:.1f} MB; "
            raise InputError(
                f"{subject} cannot be written ({reason(error)}); {need if error.errno in FULL else ''}"
                "set data.cache_dir to a writable folder"
            ) from error
    if index["bad"] and not data["skip_bad"]:
        raise InputError(f"{_describe_bad(index)}; mend or remove them, or leave them out with data.skip_bad=true")
    for split in SPLITS:
        if not index[split]["stems"]:
            raise InputError(f"no usable image is left for split={split}: {_describe_bad(index)}")
    return folder, index


def count_images(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many images each split has for the `data` group of a configuration; raises as `ensure_decoded`."""
    _, index = ensure_decoded(data)
    return {name: len(index[name]["stems"]) for name in SPLITS}


def cache_key(source: Source, size: int) -> str:
    """Return a hash of what the pixels follow from: pairs, the files' sizes and times of change, the resize rule."""
    digest = hashlib.sha256(f"{RESIZE_RULE} {size}".encode())
    if source.mask_values:
        digest.update(repr(sorted(source.mask_values.items())).encode())
    for split in SPLITS:
        for pair in source.splits[split]:
            parts = (split, pair.stem, pair.problem, pair.image, _stamp(pair.image), pair.trimap, _stamp(pair.trimap))
            digest.update("\0".join(map(str, parts)).encode(errors="surrogatepass"))
    return digest.hexdigest()[:24]


def _stamp(path: Path) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return "absent"
    # Neither size nor time changes when a file becomes readable.
    return "unreadable" if not os.access(path, os.R_OK) else f"{stat.st_size} {stat.st_mtime_ns}"


def _build_once(folder: Path, source: Source, size: int, arrays_too: bool) -> dict[str, Any]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    try:
        try:
            return read_index(folder, arrays_too)
        except DamagedError as damage:
            if os.path.lexists(folder):
                # Processes that have mapped its files keep them.
                shutil.rmtree(folder)
                log.warning(f"{damage}; decoding again")
        part = folder.with_suffix(".part")
        # A killed process may have left it; this one holds the lock.
        shutil.rmtree(part, ignore_errors=True)
        try:
            _build(part, source, size)
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return read_index(folder, arrays_too)
    finally:
        lock.release()


def _build(folder: Path, source: Source, size: int) -> None:
    folder.mkdir()
    pairs = [pair for split in SPLITS for pair in source.splits[split]]
    shapes = (len(pairs), 3, size, size), (len(pairs), size, size)
    images, trimaps = (_new_array(folder / name, shape) for name, shape in zip(ARRAYS, shapes, strict=True))

    def decode(row: int) -> str | None:
        try:
            images[row], trimaps[row] = decode_pair(pairs[row], size, source.mask_values)
        except BadFileError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        # Pillow warns of some images that it can read; those that it cannot read are reported anyway.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        decoded = pool.map(decode, range(len(pairs)))
        # disable=None: no bar without a terminal.
        problems = list(tqdm(decoded, "decoding images", len(pairs), unit=" images", leave=False, disable=None))
    index: dict[str, Any] = {"bad": [[pair.stem, why] for pair, why in zip(pairs, problems, strict=True) if why]}
    numbered = iter(enumerate(problems))
    for split in SPLITS:
        usable = [row for row, why in islice(numbered, len(source.splits[split])) if why is None]
        index[split] = {"stems": [pairs[row].stem for row in usable], "rows": usable}
    for array in (images, trimaps):
        array.flush()
    write_index(folder, index)
    for name in (*ARRAYS, "index.json"):
        with open(folder / name, "rb") as file:
            os.fsync(file.fileno())


def _new_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    # Without this a full disk is a fatal signal when a page is written, and not an error here.
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def _describe_bad(index: Mapping[str, Any]) -> str:
    """Return one line that names the first ten bad pairs and counts the others."""
    bad = index["bad"]
    total = len(bad) + sum(len(index[split]["stems"]) for split in SPLITS)
    named = ", ".join(f"{printable(stem)} ({why})" for stem, why in bad[:10])
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    return f"{len(bad)} of {total} pairs cannot be used: {named}{more}"
