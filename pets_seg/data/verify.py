"""Whether a pixel cache still holds what was decoded: every file of it has a checksum."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError
from pets_seg.machine.files import open_regular

ARRAYS = ("images.npy", "trimaps.npy")
# Files that this process found sound, in the state in which it found them: the jobs of a sweep share a cache.
_sound: set[tuple[Path, int, int, int, int]] = set()


class DamagedError(InputError):
    """A pixel cache that is not whole; `_build_once` makes it anew, so that this is seldom seen."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"the pixel cache {folder} is damaged ({reason})")


def write_index(folder: Path, index: dict[str, Any]) -> None:
    """Write `index` to index.json with the checksums of the arrays in `folder` and its own."""
    index = {**index, "arrays": {name: _checksum(folder / name) for name in ARRAYS}}
    (folder / "index.json").write_text(json.dumps({**index, "checksum": _checksum_of(index)}))


def read_index(folder: Path) -> dict[str, Any]:
    """Return index.json. Raises DamagedError if it is not what `write_index` wrote."""
    try:
        index = json.loads((folder / "index.json").read_bytes())
        own = index.pop("checksum")
        sound = own == _checksum_of(index)
    except OSError as error:
        raise DamagedError(folder, f"index.json: {error.strerror or error}") from error
    # Not JSON, nested without end, no object, or without a checksum, as before there was one.
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError):
        sound = False
    if not sound:
        raise DamagedError(folder, "index.json: checksum differs")
    return index


def read_verified(folder: Path) -> dict[str, Any]:
    """Return index.json. Raises DamagedError if it or an array is not what was written."""
    index = read_index(folder)
    for name, checksum in index["arrays"].items():
        try:
            sound = _is_sound(folder / name, checksum)
        except OSError as error:
            raise DamagedError(folder, f"{name}: {error.strerror or error}") from error
        if not sound:
            raise DamagedError(folder, f"{name}: checksum differs")
    return index


def _is_sound(path: Path, checksum: int) -> bool:
    stat = os.stat(path)
    state = (path, checksum, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if state not in _sound and _checksum(path) == checksum:
        _sound.add(state)
    return state in _sound


def _checksum(path: Path) -> int:
    checksum, part = 0, memoryview(bytearray(1 << 20))
    with open_regular(path) as file:
        while count := file.readinto(part):
            checksum = zlib.crc32(part[:count], checksum)
    return checksum


def _checksum_of(index: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(index).encode())
