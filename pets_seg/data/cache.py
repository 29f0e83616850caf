"""The pixel cache: every pair decoded and resized once, into memory-mapped uint8 arrays."""

import hashlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from pets_seg.data.decode import BadFileError, decode_pair
from pets_seg.data.foreign import printable
from pets_seg.data.sources import SPLITS, Source, read_source
from pets_seg.data.verify import ARRAYS, DamagedError, read_index, read_verified, write_index
from pets_seg.errors import InputError
from pets_seg.machine.files import FULL
from pets_seg.machine.home import user_cache

# Part of the key: a change of what decoding gives must change it.
RESIZE_RULE = "image antialiased bilinear, trimap nearest, square; 2"
Read = Callable[[Path], dict[str, Any]]
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

    The checksums of the cache are verified; a damaged one is decoded again. Raises InputError as `ensure_decoded` does;
    pairs that `data.skip_bad` leaves out are named in a warning.
    """
    folder, index = _decoded(data, read_verified)
    if index["bad"]:
        log.warning(f"left out: {_describe_bad(index)}")
    # Copy on write: torch wants an array that it may write to, and the files must stay as they are.
    images, trimaps = (torch.from_numpy(np.load(folder / name, mmap_mode="c")) for name in ARRAYS)
    splits = {name: (index[name]["stems"], torch.tensor(index[name]["rows"])) for name in SPLITS}
    return Dataset(**{name: Split(stems, rows, images, trimaps) for name, (stems, rows) in splits.items()})


def ensure_decoded(data: Mapping[str, Any]) -> Path:
    """Return the cache folder for the `data` group of a configuration, decoding its pairs if they are not there.

    Processes that ask for the same pixels together decode them once. Raises InputError if the source is not there, if
    the cache cannot be written, or, unless `data.skip_bad`, if any pair cannot be used. The checksums of the pixels are
    left to `open_dataset`: before a sweep, this is called for every job.
    """
    return _decoded(data, read_index)[0]


def count_images(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many images each split has for the `data` group of a configuration; raises as `ensure_decoded`."""
    index = _decoded(data, read_index)[1]
    return {name: len(index[name]["stems"]) for name in SPLITS}


def _decoded(data: Mapping[str, Any], read: Read) -> tuple[Path, dict[str, Any]]:
    source, size = read_source(data), data["size"]
    root = _cache_root(data["cache_dir"])
    folder = root / cache_key(source, size)
    try:
        index = read(folder)
    except DamagedError as damage:
        subject = f"{damage} and" if os.path.lexists(folder) else f"the pixel cache {root}"
        try:
            index = _build_once(folder, source, size, read)
        except OSError as error:
            count = sum(map(len, source.splits.values()))
            need = f"{count} images at {size} px need {count * 4 * size * size / 1e6:.1f} MB; "
            raise InputError(
                f"{subject} cannot be written ({error.strerror or error}); {need if error.errno in FULL else ''}"
                "set data.cache_dir to a folder that can"
            ) from error
    if index["bad"] and not data["skip_bad"]:
        raise InputError(f"{_describe_bad(index)}; mend or remove them, or leave them out with data.skip_bad=true")
    for split in SPLITS:
        if not index[split]["stems"]:
            raise InputError(f"no usable image is left for split={split}: {_describe_bad(index)}")
    return folder, index


def _cache_root(cache_dir: str | None) -> Path:
    try:
        return Path(cache_dir).expanduser() if cache_dir else user_cache("data.cache_dir") / "pixels"
    except RuntimeError as error:
        raise InputError(f"data.cache_dir={cache_dir}: there is no such user; write the path out") from error


def cache_key(source: Source, size: int) -> str:
    """Return the name of the cache: a hash of the lists, the files' sizes and times of change, and the resize rule."""
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
    # A file that may be read after all is another one, though neither its size nor its time has changed.
    return "unreadable" if not os.access(path, os.R_OK) else f"{stat.st_size} {stat.st_mtime_ns}"


def _build_once(folder: Path, source: Source, size: int, read: Read) -> dict[str, Any]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    try:
        try:
            return read(folder)
        except DamagedError as damage:
            if os.path.lexists(folder):
                # Who has its files mapped keeps them.
                shutil.rmtree(folder)
                log.warning(f"{damage}; decoding again")
        beside = folder.with_suffix(".part")
        # What a killed process left: the lock is ours, so nobody is at work on it.
        shutil.rmtree(beside, ignore_errors=True)
        try:
            _build(beside, source, size)
            os.replace(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return read(folder)
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
        # Pillow prints a warning for some images that it reads; what cannot be used is named in the end.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        decoded = pool.map(decode, range(len(pairs)))
        # disable=None: no bar where there is no terminal.
        problems = list(tqdm(decoded, "decoding images", len(pairs), unit=" images", leave=False, disable=None))
    for array, name in zip((images, trimaps), ARRAYS, strict=True):
        array.flush()
        _sync(folder / name)
    first = 0
    index: dict[str, Any] = {"bad": [[pair.stem, why] for pair, why in zip(pairs, problems, strict=True) if why]}
    for split in SPLITS:
        rows = range(first, first + len(source.splits[split]))
        first = rows.stop
        usable = [row for row in rows if problems[row] is None]
        index[split] = {"stems": [pairs[row].stem for row in usable], "rows": usable}
    write_index(folder, index)
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


def _describe_bad(index: Mapping[str, Any]) -> str:
    """Return one line that names the first ten bad pairs and counts the others."""
    bad = index["bad"]
    total = len(bad) + sum(len(index[split]["stems"]) for split in SPLITS)
    named = ", ".join(f"{printable(stem)} ({why})" for stem, why in bad[:10])
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    return f"{len(bad)} of {total} pairs cannot be used: {named}{more}"
