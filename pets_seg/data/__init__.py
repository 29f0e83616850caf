"""From image and trimap files to batches on the device."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pets_seg.data.decoded import count_images, ensure_decoded
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS, Pair, Source
from pets_seg.data.sources import read_source

if TYPE_CHECKING:
    from pets_seg.data.batches import Batches, Normalise
    from pets_seg.data.cache import Dataset, open_dataset

__all__ = [
    "SPLITS",
    "Batches",
    "Dataset",
    "Index",
    "Normalise",
    "Pair",
    "Source",
    "count_images",
    "ensure_decoded",
    "open_dataset",
    "read_source",
]
# These import torch, which takes seconds, and which what only asks for the files does without.
_WITH_TORCH = {"Batches": "batches", "Normalise": "batches", "Dataset": "cache", "open_dataset": "cache"}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
