"""The pixel cache: every pair decoded and resized once, into memory-mapped uint8 arrays."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from pets_seg.data.build import build
from pets_seg.data.entries import Entry
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS, expand_user
from pets_seg.data.request import Request
from pets_seg.data.sources import read_source
from pets_seg.data.verify import ARRAYS, DamagedError
from pets_seg.errors import InputError, reason
from pets_seg.machine.files import FULL
from pets_seg.machine.home import user_cache

log = logging.getLogger("pets_seg")


@dataclass(frozen=True)
class Split:
    """One split: row `rows[i]` of `images` (N,3,S,S) and `levels` (N,S,S), uint8, belongs to `stems[i]`.

    `levels` has the number of each pixel's level, and `trimap_of` (N,256) uint8 the trimap value of each level.
    """

    stems: list[str]
    rows: torch.Tensor
    images: torch.Tensor
    levels: torch.Tensor
    trimap_of: torch.Tensor

    def __len__(self) -> int:
        return len(self.stems)

    def trimaps(self, rows: torch.Tensor, step: int = 1) -> torch.Tensor:
        """Return the trimaps of rows, (len(rows),S,S) uint8, or of every `step`-th pixel in both directions."""
        return look_up(self.trimap_of, rows, self.levels[:, ::step, ::step].index_select(0, rows))


def look_up(tables: torch.Tensor, rows: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Return what row `rows[b]` of `tables` (N,256) has for each of `levels[b]`, (B,...) uint8."""
    places = levels.flatten(1).int() + (rows.int() * tables.shape[1])[:, None]
    return tables.flatten().index_select(0, places.flatten()).view(levels.shape)


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
        return replace(self.train, stems=stems, rows=rows)


def open_dataset(data: Mapping[str, Any], needed: Sequence[str] = SPLITS, warn: bool = True) -> Dataset:
    """Return the pixels for the `data` group of a configuration, and `warn` of what is strange about them.

    They are decoded first if the cache lacks them or its checksums differ. Raises InputError as `ensure_decoded` does.
    """
    while True:
        entry, index = _ensured(data, needed, arrays_too=True)
        # Copy on write, since torch requires writable arrays and the files must not change.
        with suppress(FileNotFoundError):
            images, levels = (torch.from_numpy(np.load(entry.folder / name, mmap_mode="c")) for name in ARRAYS)
            # Another process may have brought the cache up to date in between.
            if entry.is_current():
                break
    for warning in index.warnings() if warn else ():
        log.warning(warning)
    tables = torch.from_numpy(index.trimap_of())
    train, valid, test = (
        Split(index.stems(name), torch.tensor(index.rows(name)), images, levels, tables) for name in SPLITS
    )
    return Dataset(train, valid, test, index)


def ensure_decoded(data: Mapping[str, Any], needed: Sequence[str] = SPLITS) -> tuple[Path, Index]:
    """Return cache folder and index for the `data` group of a configuration, decoding its pairs if they are missing.

    Processes that need the same pixels at the same time decode them once. Raises InputError for a missing source, masks
    that can be read in more than one way, an unwritable cache, a split of `needed` without images and, unless
    `data.skip_bad`, a pair that cannot be used.
    """
    entry, index = _ensured(data, needed, arrays_too=False)
    return entry.folder, index


def count_images(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many images each split has for the `data` group of a configuration; raises as `ensure_decoded`."""
    _, index = ensure_decoded(data)
    return {name: len(index.stems(name)) for name in SPLITS}


def _ensured(data: Mapping[str, Any], needed: Sequence[str], arrays_too: bool) -> tuple[Entry, Index]:
    """Return the cache and its index; the checksums of its pixels are verified with `arrays_too`."""
    source, size = read_source(data, needed), data["size"]
    given = data["cache_dir"]
    root = expand_user("data.cache_dir", given) if given else user_cache("data.cache_dir") / "pixels"
    request = Request.of(f"data={data['name']}", source, size)
    folder = root / request.key()
    subject = f"the pixel cache {root}"
    entry = None
    try:
        entry = Entry.read(folder, arrays_too)
    except DamagedError as damage:
        if os.path.lexists(folder):
            subject = f"{damage} and"
    if entry is None or entry.stamps != request.stamps:
        try:
            entry = _build_once(folder, request, arrays_too)
        except OSError as error:
            count = len(request.pairs)
            need = f"{count} images at {size} px need {count * 4 * size * size / 1e6:.1f} MB; "
            raise InputError(
                f"{subject} cannot be written ({reason(error)}); {need if error.errno in FULL else ''}"
                "set data.cache_dir to a writable folder"
            ) from error
    index = Index(request, entry.rows)
    if index.bad and not data["skip_bad"]:
        raise InputError(f"{index.describe_bad()}; mend or remove them, or leave them out with data.skip_bad=true")
    for split in needed:
        if not index.stems(split):
            raise InputError(f"no usable image is left for split={split}: {index.describe_bad()}")
    return entry, index


def _build_once(folder: Path, request: Request, arrays_too: bool) -> Entry:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    part, own = folder.with_suffix(".part"), None
    try:
        # A killed process may have left it; this one holds the lock.
        shutil.rmtree(part, ignore_errors=True)
        try:
            # What is kept of the arrays must be sound, whoever asks.
            own = Entry.read(folder, arrays_too=True)
            if own.stamps == request.stamps:
                return own
        except DamagedError as damage:
            if os.path.lexists(folder):
                # Processes that have mapped its files keep them.
                shutil.rmtree(folder)
                log.warning(f"{damage}; decoding again")
        build(folder, part, request, own)
        if part.exists():
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        return Entry.read(folder, arrays_too)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()
