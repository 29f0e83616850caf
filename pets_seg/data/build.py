"""Make the arrays of the pixel cache, or bring them up to date where files have changed."""

import hashlib
import os
import shutil
import warnings
import zlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pets_seg.data.decode import Decoded, decode_pair, read_digest
from pets_seg.data.levels import BadFileError, Levels
from pets_seg.data.mask_rule import decide
from pets_seg.data.pairs import SPLITS, Pair, Source
from pets_seg.data.picture_range import Extent, check_range
from pets_seg.data.trimap import TRIMAP, MaskRule, fixed_rule
from pets_seg.data.verify import ARRAYS, write_index
from pets_seg.errors import InputError

# Part of the key; to be changed together with what decoding gives.
RESIZE_RULE = "image antialiased bilinear, mask nearest, square; 3"


@dataclass(frozen=True)
class Request:
    """The pixels of a source at one size: its usable pairs, each once, and the state of their files."""

    what: str
    source: Source
    size: int
    pairs: list[Pair]
    stamps: list[list[str]]

    @classmethod
    def of(cls, what: str, source: Source, size: int) -> "Request":
        """Return the request for a source, `what` naming it in errors."""
        # Without the splits: other lists of the same files share their pixels.
        pairs = {
            (pair.image, pair.trimap): pair for split in SPLITS for pair in source.splits[split] if not pair.problem
        }
        ordered = [pairs[paths] for paths in sorted(pairs)]
        return cls(what, source, size, ordered, [[_stamp(pair.image), _stamp(pair.trimap)] for pair in ordered])

    def key(self) -> str:
        """Return a hash of the files' paths and of what is made of them."""
        source = self.source
        settings = (source.mask_values, source.trimaps, source.named_values, source.threshold, source.value_range)
        digest = hashlib.sha256(f"{RESIZE_RULE} {self.size} {settings}".encode(errors="surrogatepass"))
        for pair in self.pairs:
            digest.update(f"{pair.image}\0{pair.trimap}\0".encode(errors="surrogatepass"))
        return digest.hexdigest()[:24]

    def decode(self, row: int) -> Decoded | str:
        """Return a decoded pair, or why it cannot be used."""
        try:
            decoded = decode_pair(self.pairs[row], self.size, self.source.threshold, self.source.value_range)
            if (rule := self.fixed_rule()) is not None:
                rule.table(decoded.mask)
        except BadFileError as error:
            return str(error)
        return decoded

    def fixed_rule(self) -> MaskRule | None:
        """Return what the source says of its masks, None if that is decided by what they hold."""
        if self.source.trimaps:
            return MaskRule(TRIMAP, "", by_index=True)
        return fixed_rule(self.source.mask_values) if self.source.mask_values is not None else None

    def rule(self, masks: Sequence[Levels]) -> MaskRule:
        """Return what the levels of all masks mean; InputError where that is unclear."""
        if (fixed := self.fixed_rule()) is not None:
            return fixed
        try:
            rule = decide(masks, self.source.named_values, self.source.threshold)
            for mask in masks:
                rule.table(mask)
            return rule
        except (InputError, BadFileError) as error:
            raise InputError(f"{self.what}: {error}") from None


def _stamp(path: Path) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):
        return "absent"
    # None of these changes when a file becomes readable to this user by other means than its mode.
    state = "" if os.access(path, os.R_OK) else "unreadable "
    return f"{state}{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def build(folder: Path, request: Request) -> None:
    """Decode all pairs into `folder`, which is made; InputError if the masks or pictures as a whole cannot be used."""
    folder.mkdir()
    count, size = len(request.pairs), request.size
    shapes = (count, 3, size, size), (count, size, size)
    arrays = [_new_array(folder / name, shape) for name, shape in zip(ARRAYS, shapes, strict=True)]
    _finish(folder, request, arrays, _decode(request, arrays, range(count)), range(count))


def refresh(folder: Path, part: Path, request: Request, stored: dict[str, Any]) -> None:
    """Bring a cache up to date, in `part`, where the stamps of files differ; only these files are read.

    Files that hold what they held change nothing but their stamps, and `part` is not made.
    """
    changed = [row for row, stamps in enumerate(request.stamps) if stamps != stored["stamps"][row]]
    if all(_same_bytes(request, stored, row) for row in changed):
        write_index(folder, {**stored, "stamps": request.stamps})
        return
    part.mkdir()
    for name in ARRAYS:
        shutil.copyfile(folder / name, part / name)
    arrays = [np.load(part / name, mmap_mode="r+") for name in ARRAYS]
    rows = dict(enumerate(map(_Row.read, stored["rows"])))
    before = request.rule([row.mask for row in rows.values() if row.mask])
    rows |= _decode(request, arrays, changed)
    if request.rule([row.mask for row in rows.values() if row.mask]).trimap_of != before.trimap_of:
        # What the pixels of the other masks mean has changed with it.
        shutil.rmtree(part)
        build(part, request)
        return
    _finish(part, request, arrays, rows, changed)


def _same_bytes(request: Request, stored: Mapping[str, Any], row: int) -> bool:
    before = _Row.read(stored["rows"][row])
    if before.mask is None:
        return False
    pair = request.pairs[row]
    parts = zip((pair.image, pair.trimap), request.stamps[row], stored["stamps"][row], before.digests, strict=True)
    return all(stamp == old or read_digest(path) == digest for path, stamp, old, digest in parts)


@dataclass
class _Row:
    """What the index keeps of a pair: why it cannot be used, or what its files hold."""

    problem: str | None = None
    digests: tuple[str, str] = ("", "")
    checksum: int = 0
    mask: Levels | None = None
    extent: Extent | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "_Row":
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
        )


def _decode(request: Request, arrays: Sequence[np.ndarray], rows: Iterable[int]) -> dict[int, _Row]:
    """Decode the pairs of `rows` into the arrays, which get the positions of the levels of masks."""
    images, trimaps = arrays
    numbers = [*rows]

    def decode(number: int) -> _Row:
        decoded = request.decode(number)
        if isinstance(decoded, str):
            return _Row(decoded)
        images[number], trimaps[number] = decoded.image, decoded.where
        return _Row(None, decoded.digests, 0, decoded.mask, decoded.extent)

    with ThreadPoolExecutor(os.cpu_count()) as pool, warnings.catch_warnings():
        # Pillow warns of some images that it can read; those that it cannot read are reported anyway.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        found = pool.map(decode, numbers)
        # disable=None: no bar without a terminal.
        bar = tqdm(found, "decoding images", len(numbers), unit=" images", leave=False, disable=None)
        return dict(zip(numbers, bar, strict=True))


def _finish(
    folder: Path, request: Request, arrays: Sequence[np.ndarray], rows: Mapping[int, _Row], new: Iterable[int]
) -> None:
    """Turn the positions in the `new` rows into trimaps by the rule for all rows, and write the index."""
    rule = request.rule([row.mask for row in rows.values() if row.mask])
    try:
        check_range((row.extent for row in rows.values() if row.extent), request.source.value_range)
    except InputError as error:
        raise InputError(f"{request.what}: {error}") from None
    images, trimaps = arrays
    for number in new:
        row = rows[number]
        if row.mask:
            trimaps[number] = np.array(rule.table(row.mask), np.uint8)[trimaps[number]]
            row.checksum = zlib.crc32(trimaps[number].tobytes(), zlib.crc32(images[number].tobytes()))
    for array in arrays:
        array.flush()  # type: ignore[attr-defined]  # They are memory-mapped.
    stored = {"stamps": request.stamps, "said": rule.said, "rows": [_stored(rows[n], rule) for n in sorted(rows)]}
    write_index(folder, stored)


def _stored(row: _Row, rule: MaskRule) -> dict[str, Any]:
    pixels = [0, 0, 0, 0]
    if row.mask:
        for value, count in zip(rule.table(row.mask), row.mask.counts, strict=True):
            pixels[value] += count
    return {**asdict(row), "pixels": pixels}


def _new_array(path: Path, shape: tuple[int, ...]) -> np.memmap:
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    # Without this a full disk is a fatal signal when a page is written, and not an error here.
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
