"""The pixel cache: every pair decoded and resized once; what it knows of the files is read without torch."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pets_seg.config.schema import Data
from pets_seg.data.build import build
from pets_seg.data.entries import Entry
from pets_seg.data.index import Index
from pets_seg.data.pairs import SPLITS, expand_user
from pets_seg.data.request import Request
from pets_seg.data.sources import AbsentError, read_source
from pets_seg.data.splits import count_used, refuse_none_used
from pets_seg.data.verify import DamagedError
from pets_seg.errors import InputError, reason
from pets_seg.machine.files import FULL
from pets_seg.machine.home import user_cache

log = logging.getLogger("pets_seg")


def ensure_decoded(data: Mapping[str, Any], needed: Sequence[str] = SPLITS) -> tuple[Path, Index]:
    """Return cache folder and index for the `data` group of a configuration, decoding its pairs if they are missing.

    Processes that need the same pixels at the same time decode them once. Raises InputError for a missing source, masks
    that can be read in more than one way, an unwritable cache, a split of `needed` without images,
    also where `data.train_fraction` leaves none, and, unless `data.skip_bad`, a pair that cannot be used.
    """
    entry, index = ensured(data, needed, arrays_too=False)
    return entry.folder, index


def count_images(data: Mapping[str, Any]) -> dict[str, int]:
    """Return how many images each split has for the `data` group of a configuration; raises as `ensure_decoded`."""
    _, index = ensure_decoded(data)
    return {name: len(index.stems(name)) for name in SPLITS}


def known_index(data: Mapping[str, Any], arrays_too: bool = False) -> Index | None:
    """Return the index for the `data` group of a configuration if its files are decoded as they are now, else None.

    Writes, fetches and decodes nothing. `arrays_too` verifies the pixels too. Raises InputError as `ensure_decoded`, as
    far as it is known without decoding.
    """
    request = _request(_offline(data), SPLITS)
    try:
        entry = Entry.read(_cache_folder(data) / request.key(), arrays_too)
    except DamagedError:
        return None
    return _index(request, entry, data, SPLITS) if entry.stamps == request.stamps else None


@dataclass(frozen=True)
class Look:
    """What is known of a source while nothing may be fetched, decoded or written.

    `index` is None where its files are not decoded as they are now, `images` the number of images of each split, None
    where the source is not here. `lacking` says what will be done first, "" if nothing.
    """

    index: Index | None
    images: dict[str, int] | None
    lacking: str = ""


def look_at(data: Mapping[str, Any]) -> Look:
    """Return what is known of the source of a `data` group; InputError as `ensure_decoded`, as far as that is known."""
    try:
        if index := known_index(data, arrays_too=True):
            return Look(index, {split: len(index.stems(split)) for split in SPLITS})
        splits = read_source(_offline(data)).splits
    except AbsentError:
        if not data.get("download"):
            raise
        return Look(None, None, f"data={data['name']} is not here and would be downloaded")
    images = {split: sum(not pair.problem for pair in splits[split]) for split in SPLITS}
    refuse_none_used(images["train"], _fraction(data))
    images["train"] = count_used(images["train"], _fraction(data))
    return Look(None, images, f"the images of data={data['name']} would be decoded")


def ensured(data: Mapping[str, Any], needed: Sequence[str], arrays_too: bool) -> tuple[Entry, Index]:
    """Return the cache and its index; the checksums of its pixels are verified with `arrays_too`."""
    request, root, size = _request(data, needed), _cache_folder(data), data["size"]
    folder = root / request.key()
    subject = f"the pixel cache {root}"
    entry = None
    try:
        entry = Entry.read(folder, arrays_too)
    except DamagedError as damage:
        if os.path.lexists(folder):
            subject = f"{damage} and"
    if entry is None or entry.stamps != request.stamps:
        try:
            entry = _build_once(folder, request, arrays_too)
        except OSError as error:
            count = len(request.pairs)
            need = f"{count} images at {size} px need {count * 4 * size * size / 1e6:.1f} MB; "
            raise InputError(
                f"{subject} cannot be written ({reason(error)}); {need if error.errno in FULL else ''}"
                "set data.cache_dir to a writable folder"
            ) from error
    return entry, _index(request, entry, data, needed)


def _offline(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "download": False} if "download" in data else dict(data)


def _fraction(data: Mapping[str, Any]) -> float:
    return data.get("train_fraction", Data.train_fraction)


def _request(data: Mapping[str, Any], needed: Sequence[str]) -> Request:
    return Request.of(f"data={data['name']}", read_source(data, needed), data["size"])


def _cache_folder(data: Mapping[str, Any]) -> Path:
    given = data["cache_dir"]
    return expand_user("data.cache_dir", given) if given else user_cache("data.cache_dir") / "pixels"


def _index(request: Request, entry: Entry, data: Mapping[str, Any], needed: Sequence[str]) -> Index:
    index = Index(request, entry.rows, _fraction(data))
    if index.bad and not data["skip_bad"]:
        raise InputError(f"{index.describe_bad()}; mend or remove them, or leave them out with data.skip_bad=true")
    if "train" in needed:
        # All others are in valid or test.
        rest = len(index.stems("valid")) + len(index.stems("test"))
        refuse_none_used(len(index.stems("all")) - rest, _fraction(data))
    for split in needed:
        if not index.stems(split):
            raise InputError(f"no usable image is left for split={split}: {index.describe_bad()}")
    return index


def _build_once(folder: Path, request: Request, arrays_too: bool) -> Entry:
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        log.info("another process is decoding these images; waiting for it")
        lock.acquire()
    part, own = folder.with_suffix(".part"), None
    try:
        # A killed process may have left it; this one holds the lock.
        shutil.rmtree(part, ignore_errors=True)
        try:
            # What is kept of the arrays must be sound, whoever asks.
            own = Entry.read(folder, arrays_too=True)
            if own.stamps == request.stamps:
                return own
        except DamagedError as damage:
            if os.path.lexists(folder):
                # Processes that have mapped its files keep them.
                shutil.rmtree(folder)
                log.warning(f"{damage}; decoding again")
        build(folder, part, request, own)
        if part.exists():
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        return Entry.read(folder, arrays_too)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        lock.release()
