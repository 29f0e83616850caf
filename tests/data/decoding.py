"""Decode a single pair as a source that holds it alone."""

import numpy as np

from pets_seg.data.decode import decode_pair
from pets_seg.data.mask_rule import decide
from pets_seg.data.pairs import Pair
from pets_seg.data.trimap import TRIMAP, MaskRule


def decode(pair: Pair, size: int, rule: MaskRule | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return image (3,S,S) and trimap (S,S), the masks being trimaps unless there is a `rule`."""
    found = decode_pair(pair, size)
    table = (rule or MaskRule(TRIMAP, "", by_index=True)).table(found.mask)
    return found.image, np.array(table, np.uint8)[found.where]


def understand(pair: Pair, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return image and trimap, the mask being understood by what it holds."""
    return decode(pair, size, decide([decode_pair(pair, size).mask], None, None))
