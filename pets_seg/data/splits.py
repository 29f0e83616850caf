"""Splits, and shares of them, by a hash of a name, so that they depend on no order of files and on no machine."""

import hashlib
from collections.abc import Callable, Sequence

from pets_seg.data.pairs import SPLITS, Pair, Splits
from pets_seg.errors import InputError


def by_hash(pairs: Sequence[Pair], split_seed: int, key: Callable[[str], str]) -> Splits:
    """Return pairs in the splits that a hash assigns to the `key` of their stem."""
    splits: Splits = {split: [] for split in SPLITS}
    for pair in pairs:
        splits[split_of(key(pair.stem), split_seed)].append(pair)
    return splits


def split_of(name: str, split_seed: int) -> str:
    """Assign a name to train (80 %), valid (10 %) or test (10 %)."""
    tenth = int.from_bytes(_hash(f"{split_seed}/{name}")[:8], "big") * 10 >> 64
    return {0: "valid", 1: "test"}.get(tenth, "train")


def seed_that_fills(names: Sequence[str]) -> int | None:
    """Return the least split_seed with which no split is empty, None if there is none below 1000."""
    distinct = {*names}
    if len(distinct) < len(SPLITS):
        return None
    return next((seed for seed in range(1000) if {split_of(name, seed) for name in distinct} == {*SPLITS}), None)


def count_used(count: int, fraction: float) -> int:
    """Return how many of `count` training images are used with data.train_fraction: a rounded number."""
    return round(fraction * count)


def refuse_none_used(count: int, fraction: float) -> None:
    """Raise InputError if none of `count` training images, if there are any, is used with data.train_fraction."""
    if count and not count_used(count, fraction):
        raise InputError(
            f"data.train_fraction={fraction}: leaves none of {count} training images; give a larger one, such as "
            f"{1 / count:.2g}"
        )


def used_for_training(stems: Sequence[str], fraction: float) -> list[int]:
    """Return the places of the training images that are used with data.train_fraction, in their order.

    They are those with the smallest hashes of their stems, so that a smaller fraction uses some of a larger one's.
    """
    ranked = sorted(range(len(stems)), key=lambda place: _hash(stems[place]))
    return sorted(ranked[: count_used(len(stems), fraction)])


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()
