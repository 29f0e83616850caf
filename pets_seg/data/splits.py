"""Splits by a hash of a name, so that adding files moves none."""

import hashlib
from collections.abc import Callable, Sequence

from pets_seg.data.pairs import SPLITS, Pair, Splits


def by_hash(pairs: Sequence[Pair], split_seed: int, key: Callable[[str], str]) -> Splits:
    """Return pairs in the splits that a hash assigns to the `key` of their stem."""
    splits: Splits = {split: [] for split in SPLITS}
    for pair in pairs:
        splits[split_of(key(pair.stem), split_seed)].append(pair)
    return splits


def split_of(name: str, split_seed: int) -> str:
    """Assign a name to train (80 %), valid (10 %) or test (10 %)."""
    digest = hashlib.sha256(f"{split_seed}/{name}".encode(errors="surrogatepass")).digest()
    tenth = int.from_bytes(digest[:8], "big") * 10 >> 64
    return {0: "valid", 1: "test"}.get(tenth, "train")


def seed_that_fills(names: Sequence[str]) -> int | None:
    """Return the least split_seed with which no split is empty, None if there is none below 1000."""
    distinct = {*names}
    if len(distinct) < len(SPLITS):
        return None
    return next((seed for seed in range(1000) if {split_of(name, seed) for name in distinct} == {*SPLITS}), None)
