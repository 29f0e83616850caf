"""Make the arrays of the pixel cache, or bring them up to date where files have changed."""

import os
import warnings
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pets_seg.data.decode import decode_pair, read_digest
from pets_seg.data.entries import Entry, Row, others, write_entry
from pets_seg.data.levels import BadFileError
from pets_seg.data.request import Request
from pets_seg.data.verify import ARRAYS


def build(folder: Path, part: Path, request: Request, own: Entry | None) -> None:
    """Make in `part` what `folder` has to hold, of which `own` is what it held before.

    Only pairs are decoded whose files have changed since they were decoded for this or another cache. If no pixel is
    another, `folder` gets the new stamps and `part` is not made.
    """
    count, size = len(request.pairs), request.size
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        same = pool.map(lambda number: _kept(own, request, number), range(count) if own else ())
        kept = {number: row for number, row in enumerate(same) if row is not None}
    if own and len(kept) == count:
        write_entry(folder, request, [own.rows[kept[number]] for number in range(count)])
        return
    part.mkdir()
    shapes = (count, 3, size, size), (count, size, size)
    arrays = [_new_array(part / name, shape) for name, shape in zip(ARRAYS, shapes, strict=True)]
    rows = _copied(own, kept, arrays) if own else {}
    for other in others(folder, request):
        left = [number for number in range(count) if number not in rows]
        if not left:
            break
        found = {number: row for number in left if (row := _unchanged(other, request, number)) is not None}
        rows |= _copied(other, found, arrays)
    rows |= _decoded(request, arrays, [number for number in range(count) if number not in rows])
    for array in arrays:
        array.flush()
    write_entry(part, request, [rows[number] for number in range(count)])


def _kept(own: Entry | None, request: Request, number: int) -> int | None:
    """Return the row of a pair whose files hold what they held."""
    if own is None:
        return None
    if (same := _unchanged(own, request, number)) is not None:
        return same
    row = own.find(request, number)
    if row is None or own.rows[row].mask is None:
        return None
    pair = request.pairs[number]
    parts = zip((pair.image, pair.trimap), request.stamps[number], own.stamps[row], own.rows[row].digests, strict=True)
    return row if all(stamp == old or read_digest(path) == digest for path, stamp, old, digest in parts) else None


def _unchanged(entry: Entry, request: Request, number: int) -> int | None:
    row = entry.find(request, number)
    return row if row is not None and entry.stamps[row] == request.stamps[number] else None


def _copied(entry: Entry, found: dict[int, int], arrays: Sequence[np.ndarray]) -> dict[int, Row]:
    """Copy the rows of another cache into the arrays; return those whose pixels are sound, by their new number."""
    copied = {}
    # Its files may be damaged in any way, or replaced by another process since its index was read.
    with suppress(Exception):
        theirs = [np.load(entry.folder / name, mmap_mode="r") for name in ARRAYS] if found else []
        for number, row in found.items():
            if entry.rows[row].mask is not None:
                for array, their in zip(arrays, theirs, strict=True):
                    array[number] = their[row]
                if _checksum(arrays, number) != entry.rows[row].checksum:
                    continue
            copied[number] = entry.rows[row]
    return copied


def _decoded(request: Request, arrays: Sequence[np.ndarray], numbers: Sequence[int]) -> dict[int, Row]:
    """Decode pairs into the arrays; return what is known of them."""

    def decode(number: int) -> Row:
        source = request.source
        try:
            pair = decode_pair(request.pairs[number], request.size, source.threshold, source.value_range)
        except BadFileError as error:
            return Row(str(error))
        for array, pixels in zip(arrays, (pair.image, pair.where), strict=True):
            array[number] = pixels
        return Row(None, pair.digests, _checksum(arrays, number), pair.mask, pair.extent, pair.tags)

    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        # Pillow warns of some images that it can read; those that it cannot read are reported anyway.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        found: Iterable[Row] = pool.map(decode, numbers)
        # disable=None: no bar without a terminal.
        bar = tqdm(found, "decoding images", len(numbers), unit=" images", leave=False, disable=None)
        return dict(zip(numbers, bar, strict=True))


def _checksum(arrays: Sequence[np.ndarray], number: int) -> int:
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(array[number].tobytes(), checksum)
    return checksum


def _new_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    # Without this a full disk is a fatal signal when a page is written, and not an error here.
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
