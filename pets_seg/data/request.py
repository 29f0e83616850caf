"""What is asked of the pixel cache: the pairs of a source at one size."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pets_seg.data.pairs import SPLITS, Pair, Source

# Part of the key; to be changed together with what decoding gives.
RESIZE_RULE = "image antialiased bilinear, mask nearest, square; 5"


@dataclass(frozen=True)
class Request:
    """The pixels of a source at one size: its usable pairs, each once, and the state of their files.

    `what` names the source in errors.
    """

    what: str
    source: Source
    size: int
    pairs: list[Pair]
    stamps: list[list[str]]

    @classmethod
    def of(cls, what: str, source: Source, size: int) -> "Request":
        """Return the request for a source with the stamps that its files have now."""
        # Without the splits: other lists of the same files share their pixels.
        pairs = {
            (pair.image, pair.trimap): pair for split in SPLITS for pair in source.splits[split] if not pair.problem
        }
        ordered = [pairs[paths] for paths in sorted(pairs)]
        return cls(what, source, size, ordered, [[_stamp(pair.image), _stamp(pair.trimap)] for pair in ordered])

    @property
    def family(self) -> str:
        """What begins the names of all caches that may hold pixels of this request."""
        return f"{_hash([RESIZE_RULE, str(self.size)])[:8]}-"

    def key(self) -> str:
        """Return the cache's name: a hash of the files' paths and of what decoding depends on."""
        settings = f"{self.source.threshold} {self.source.value_range}"
        return self.family + _hash([settings, *(f"{pair.image}\0{pair.trimap}" for pair in self.pairs)])[:24]


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part}\0".encode(errors="surrogatepass"))
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return "absent"
    # None of these changes when a file becomes readable to this user by other means than its mode.
    state = "" if os.access(path, os.R_OK) else "unreadable "
    return f"{state}{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"
