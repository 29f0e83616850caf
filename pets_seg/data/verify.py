"""Verify by checksums that the files of a pixel cache still hold what was decoded."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, reason
from pets_seg.machine.files import open_regular

ARRAYS = ("images.npy", "trimaps.npy")
# Path, checksum, size, time and inode of files that this process has verified: the jobs of a sweep share a cache.
_sound: set[tuple[Path, int, int, int, int]] = set()


class DamagedError(InputError):
    """A pixel cache that is missing or damaged; usually it is decoded again, and the error not shown."""

    def __init__(self, folder: Path, damage: str) -> None:
        super().__init__(f"the pixel cache {folder} is damaged ({damage})")


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write `index` to index.json with the checksums of the arrays in `folder` and its own."""
    index = {**index, "arrays": {name: _checksum(folder / name) for name in ARRAYS}}
    (folder / "index.json").write_text(json.dumps({**index, "checksum": _checksum_of(index)}))


def read_index(folder: Path) -> dict[str, Any]:
    """Return index.json. Raises DamagedError if it is not what `write_index` wrote."""
    try:
        index = json.loads((folder / "index.json").read_bytes())
        if index.pop("checksum") != _checksum_of(index):
            raise ValueError
    except OSError as error:
        raise DamagedError(folder, f"index.json: {reason(error)}") from error
    # Not JSON, nested too deeply, no object, or without a checksum.
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise DamagedError(folder, "index.json: checksum differs") from None
    return index


def read_verified(folder: Path) -> dict[str, Any]:
    """Return index.json. Raises DamagedError if it or an array is not what was written."""
    index = read_index(folder)
    for name, checksum in index["arrays"].items():
        path = folder / name
        try:
            stat = os.stat(path)
            state = (path, checksum, stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if state not in _sound and _checksum(path) != checksum:
                raise DamagedError(folder, f"{name}: checksum differs")
        except OSError as error:
            raise DamagedError(folder, f"{name}: {reason(error)}") from error
        _sound.add(state)
    return index


def _checksum(path: Path) -> int:
    checksum, part = 0, memoryview(bytearray(1 << 20))
    with open_regular(path) as file:
        while count := file.readinto(part):
            checksum = zlib.crc32(part[:count], checksum)
    return checksum


def _checksum_of(index: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(index).encode())
