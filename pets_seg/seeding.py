"""Seeds that depend on what they are for and on nothing else."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that is a function of `parts` alone, e.g. of (seed, epoch) or (seed, epoch, step)."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
