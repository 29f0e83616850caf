"""Verify by checksums that the files of a pixel cache still hold what was decoded."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError, reason
from pets_seg.machine.files import open_regular

ARRAYS = ("images.npy", "levels.npy")
INDEX = "index.json"
# Path, checksum, size, time and inode of files that this process has verified: the jobs of a sweep share a cache.
_sound: set[tuple[Path, int, int, int, int]] = set()


class DamagedError(InputError):
    """A pixel cache that is missing or damaged; usually it is decoded again, and the error not shown."""

    def __init__(self, folder: Path, damage: str) -> None:
        super().__init__(f"the pixel cache {folder} is damaged ({damage})")


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write `index` to index.json, whole or not at all, with the checksums of the arrays in `folder` and its own."""
    index = {**index, "arrays": {name: _checksum(folder / name) for name in ARRAYS}}
    part = folder / f".{INDEX}.part"
    with open(part, "w") as file:
        file.write(json.dumps({**index, "checksum": _checksum_of(index)}))
        file.flush()
        os.fsync(file.fileno())
    for name in ARRAYS:
        with open(folder / name, "rb") as array:
            os.fsync(array.fileno())
    os.replace(part, folder / INDEX)


def read_index(folder: Path, arrays_too: bool = False) -> dict[str, Any]:
    """Return index.json. Raises DamagedError if it, or with `arrays_too` an array, is not what was written."""
    name = INDEX
    try:
        index = json.loads((folder / name).read_bytes())
        if index.pop("checksum") != _checksum_of(index):
            raise ValueError
        for name, checksum in index["arrays"].items() if arrays_too else ():
            stat = os.stat(folder / name)
            state = (folder / name, checksum, stat.st_size, stat.st_mtime_ns, stat.st_ino)
            if state not in _sound and _checksum(folder / name) != checksum:
                raise ValueError
            _sound.add(state)
    except OSError as error:
        raise DamagedError(folder, f"{name}: {reason(error)}") from error
    # Not JSON, nested too deeply, no object, or without a checksum.
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        raise DamagedError(folder, f"{name}: checksum differs") from None
    return index


def _checksum(path: Path) -> int:
    checksum, part = 0, memoryview(bytearray(1 << 20))
    with open_regular(path) as file:
        while count := file.readinto(part):
            checksum = zlib.crc32(part[:count], checksum)
    return checksum


def _checksum_of(index: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(index).encode())
