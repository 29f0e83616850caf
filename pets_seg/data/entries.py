"""What index.json of a pixel cache says of each pair, and which caches hold pairs of a request."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pets_seg.data.levels import Levels
from pets_seg.data.picture_range import WIDE, Extent
from pets_seg.data.request import Request
from pets_seg.data.verify import INDEX, DamagedError, read_index, write_index


@dataclass(frozen=True)
class Row:
    """What a cache knows of a pair: why it cannot be used, or what its files and its row of the arrays hold."""

    problem: str | None = None
    digests: tuple[str, str] = ("", "")
    checksum: int = 0
    mask: Levels | None = None
    extent: Extent | None = None
    # How the orientation tags of the two files were used.
    tags: str = ""

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Row":
        """Return the row that index.json holds as `stored`."""
        mask, extent = stored["mask"], stored["extent"]
        # JSON has no tuples.
        levels: dict[str, Any] = {
            key: tuple(part) if isinstance(part, list) else part for key, part in (mask or {}).items()
        }
        return cls(
            stored["problem"],
            (stored["digests"][0], stored["digests"][1]),
            stored["checksum"],
            Levels(**levels) if mask else None,
            Extent(**extent) if extent else None,
            stored["tags"],
        )


@dataclass(frozen=True)
class Entry:
    """A pixel cache: its folder, the settings that it was decoded by, and its rows by the paths of pairs."""

    folder: Path
    threshold: float | None
    value_range: Sequence[float] | None
    stamps: list[list[str]]
    rows: list[Row]
    row_of: Mapping[tuple[str, str], int]
    state: tuple[int, ...]

    @classmethod
    def read(cls, folder: Path, arrays_too: bool = False) -> "Entry":
        """Return what is in a folder; DamagedError if its index, or with `arrays_too` an array, is damaged."""
        state = _state(folder)
        stored = read_index(folder, arrays_too)
        row_of = {(image, trimap): row for row, (image, trimap) in enumerate(stored["pairs"])}
        rows = [*map(Row.read, stored["rows"])]
        return cls(folder, stored["threshold"], stored["range"], stored["stamps"], rows, row_of, state)

    def is_current(self) -> bool:
        """Return whether the folder still holds what was read."""
        return _state(self.folder) == self.state

    def find(self, request: Request, number: int) -> int | None:
        """Return the row of a pair of the request, None if it is not here, or was decoded by another setting."""
        pair = request.pairs[number]
        found = self.row_of.get((str(pair.image), str(pair.trimap)))
        if found is None:
            return None
        row, source = self.rows[found], request.source
        same_threshold = self.threshold == source.threshold
        same_range = [*(self.value_range or [])] == [*(source.value_range or [])]
        if row.mask is None or row.extent is None:
            return found if same_threshold and same_range else None
        fits = same_range or row.extent.kind not in WIDE
        return found if fits and (same_threshold or row.mask.threshold is None) else None


def _state(folder: Path) -> tuple[int, ...]:
    """Return what tells one index from another, since it is always replaced as a whole."""
    try:
        stat = os.stat(folder / INDEX)
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def write_entry(folder: Path, request: Request, rows: Sequence[Row]) -> None:
    """Write the index of a request whose arrays are in `folder`, whole or not at all."""
    index = {
        "threshold": request.source.threshold,
        "range": request.source.value_range,
        "pairs": [[str(pair.image), str(pair.trimap)] for pair in request.pairs],
        "stamps": request.stamps,
        "rows": [
            {**vars(row), "mask": row.mask and vars(row.mask), "extent": row.extent and vars(row.extent)}
            for row in rows
        ],
    }
    write_index(folder, index)


def others(folder: Path, request: Request) -> Iterator[Entry]:
    """Yield the other caches beside `folder` that may hold pairs of the request, the newest first."""
    found = []
    for path in folder.parent.glob(f"{request.family}*/{INDEX}"):
        # Another process may remove it at any time.
        with suppress(OSError):
            found.append((os.stat(path).st_mtime_ns, path.parent))
    for _, other in sorted(found, reverse=True):
        if other != folder and not other.suffix:
            with suppress(DamagedError):
                yield Entry.read(other)
