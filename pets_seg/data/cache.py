"""The pixel cache: every pair decoded and resized once, into memory-mapped uint8 arrays."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from pets_seg.data.build import Request, build, refresh
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS, expand_user
from pets_seg.data.sources import read_source
from pets_seg.data.verify import ARRAYS, DamagedError, read_index
from pets_seg.errors import InputError, reason
from pets_seg.machine.files import FULL
from pets_seg.machine.home import user_cache

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
    """The splits of a source at one size, and what is known of the files."""

    train: Split
    valid: Split
    test: Split
    index: Index

    @property
    def all(self) -> Split:
        """The images of all splits, sorted by stem."""
        parts = (self.train, self.valid, self.test)
        pairs = sorted((stem, row) for part in parts for stem, row in zip(part.stems, part.rows.tolist(), strict=True))
        stems, rows = [stem for stem, _ in pairs], torch.tensor([row for _, row in pairs])
        return Split(stems, rows, self.train.images, self.train.trimaps)


def open_dataset(data: Mapping[str, Any], needed: Sequence[str] = SPLITS, warn: bool = True) -> Dataset:
    """Return the pixels for the `data` group of a configuration, and `warn` of what is strange about them.

    They are decoded first if the cache lacks them or its checksums differ. Raises InputError as `ensure_decoded` does.
    """
    while True:
        folder, index = ensure_decoded(data, needed, arrays_too=True)
        # Copy on write, since torch requires writable arrays and the files must not change.
        with suppress(FileNotFoundError, DamagedError):
            arrays = [torch.from_numpy(np.load(folder / name, mmap_mode="c")) for name in ARRAYS]
            # Another process may have brought the cache up to date in between.
            if index.is_of(read_index(folder)):
                break
    for warning in index.warnings() if warn else ():
        log.warning(warning)
    train, valid, test = (Split(index.stems(name), torch.tensor(index.rows(name)), *arrays) for name in SPLITS)
    return Dataset(train, valid, test, index)


def ensure_decoded(
    data: Mapping[str, Any], needed: Sequence[str] = SPLITS, arrays_too: bool = False
) -> tuple[Path, Index]:
    """Return cache folder and index for the `data` group of a configuration, decoding its pairs if they are missing.

    Processes that need the same pixels at the same time decode them once. The checksums of the pixels are verified with
    `arrays_too`. Raises InputError for a missing source, masks that can be read in more than one way, an unwritable
    cache, a split of `needed` without images and, unless `data.skip_bad`, a pair that cannot be used.
    """
    source, size = read_source(data, needed), data["size"]
    given = data["cache_dir"]
    root = expand_user("data.cache_dir", given) if given else user_cache("data.cache_dir") / "pixels"
    request = Request.of(f"data={data['name']}", source, size)
    folder = root / request.key()
    subject = f"the pixel cache {root}"
    try:
        stored = read_index(folder, arrays_too)
        fresh = stored["stamps"] == request.stamps
    except DamagedError as damage:
        fresh = False
        if os.path.lexists(folder):
            subject = f"{damage} and"
    if not fresh:
        try:
            stored = _build_once(folder, request, arrays_too)
        except OSError as error:
            count = len(request.pairs)
            need = f"{count} images at {size} px need {count * 4 * size * size / 1e6:.1f} MB; "
            raise InputError(
                f"{subject} cannot be written ({reason(error)}); {need if error.errno in FULL else ''}"
                "set data.cache_dir to a writable folder"
            ) from error
    index = Index(source, request.pairs, stored)
    if index.bad and not data["skip_bad"]:
        raise InputError(f"{index.describe_bad()}; mend or remove them, or leave them out with data.skip_bad=true")
    for split in needed:
        if not index.stems(split):
            raise InputError(f"no usable image is left for split={split}: {index.describe_bad()}")
    return folder, index


def count_images(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many images each split has for the `data` group of a configuration; raises as `ensure_decoded`."""
    _, index = ensure_decoded(data)
    return {name: len(index.stems(name)) for name in SPLITS}


def _build_once(folder: Path, request: Request, arrays_too: bool) -> dict[str, Any]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    part = folder.with_suffix(".part")
    try:
        # A killed process may have left it; this one holds the lock.
        shutil.rmtree(part, ignore_errors=True)
        try:
            # What is kept of the arrays must be sound, whoever asks.
            stored = read_index(folder, arrays_too=True)
            if stored["stamps"] == request.stamps:
                return stored
            refresh(folder, part, request, stored)
        except DamagedError as damage:
            if os.path.lexists(folder):
                # Processes that have mapped its files keep them.
                shutil.rmtree(folder)
                log.warning(f"{damage}; decoding again")
            build(part, request)
        if part.exists():
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        return read_index(folder, arrays_too)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()
