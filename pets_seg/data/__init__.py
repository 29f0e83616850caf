"""From image and trimap files to batches on the device."""

from pets_seg.data.batches import Batches, Normalise
from pets_seg.data.cache import Dataset, count_images, ensure_decoded, open_dataset
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS, Pair, Source
from pets_seg.data.sources import read_source

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
