"""The pixels of a source: memory-mapped uint8 arrays of the pixel cache, as tensors."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from pets_seg.data.decoded import ensured
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS
from pets_seg.data.verify import ARRAYS

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
        """All images of the source, sorted by stem; also those that data.train_fraction leaves out of training."""
        return replace(self.train, stems=self.index.stems("all"), rows=torch.tensor(self.index.rows("all")))


def open_dataset(data: Mapping[str, Any], needed: Sequence[str] = SPLITS, warn: bool = True) -> Dataset:
    """Return the pixels for the `data` group of a configuration, and `warn` of what is strange about them.

    They are decoded first if the cache lacks them or its checksums differ. Raises InputError as `ensure_decoded` does.
    """
    while True:
        entry, index = ensured(data, needed, arrays_too=True)
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
