"""From image and trimap files to batches on the device."""

from pets_seg.data.batches import Batches, Normalise
from pets_seg.data.cache import Dataset, count_images, ensure_decoded, open_dataset
from pets_seg.data.sources import list_pairs

__all__ = ["Batches", "Dataset", "Normalise", "count_images", "ensure_decoded", "list_pairs", "open_dataset"]
