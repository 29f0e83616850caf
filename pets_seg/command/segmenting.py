"""Photographs segmented in threads, each of which reads some, computes, and writes their pictures."""

import errno
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pets_seg.command.photos import Photo
from pets_seg.data.levels import BadFileError
from pets_seg.data.photo import read_photo
from pets_seg.errors import escaped, printable, reason
from pets_seg.evaluation.evaluate import PIXELS
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.evaluation.predictor import Predictor
from pets_seg.machine.files import WriteError, write_whole

# Photographs and their pixels of a batch at most: decoded ones take 3 bytes a pixel until they are written.
BATCH, BATCH_PIXELS = 8, 2**25
# A fifth of the time that Pillow's own settings take for a cut-out, and a tenth more bytes.
PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}
QUALITY = 92
# Longer sides are not for libjpeg.
LONGEST_SIDE = 65_500
# What a file system finds wrong with a name. Pillow's encoders raise OSError without a number.
OF_THE_PHOTO = {None, errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}


@dataclass(frozen=True)
class Opened:
    """A photograph that was read: its pixels, the square of them that the network takes, and seconds spent."""

    photo: Photo
    picture: Image.Image
    square: np.ndarray
    seconds: float


@dataclass
class Work:
    """What the threads share: the rows of the table by photograph, and why other photographs could not be used."""

    output: Path
    interrupted: Callable[[], bool]
    total: int = 0
    seconds: float = 0.0
    rows: dict[Path, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    # Whether a thread failed.
    broken: bool = False
    # On CUDA one batch at a time is computed.
    computing: AbstractContextManager[Any] = field(default_factory=nullcontext)

    @property
    def stopped(self) -> bool:
        """Whether no further photograph is to be segmented."""
        return self.broken or self.interrupted()

    def fail(self, photo: Photo, why: str) -> None:
        """Note why a photograph cannot be used; what an earlier command made of it would contradict the table."""
        self.failed[photo.path] = printable(photo.name.parent / why if photo.name.parent.parts else why)
        self.remove(photo)

    def remove(self, photo: Photo) -> None:
        """Remove the pictures of a photograph."""
        for path in photo.made(self.output):
            # On a read-only disk they stay.
            with suppress(OSError):
                path.unlink(missing_ok=True)


def batch_size(size: int) -> int:
    """Return how many photographs the network sees at a time as squares of `size` pixels, as an evaluation does."""
    return max(1, min(BATCH, PIXELS // size**2))


def segment_all(predictor: Predictor, photos: Sequence[Photo], work: Work) -> None:
    """Segment photographs until all are done or `work` is stopped.

    A thread never waits for another one, as those that compute one image together do at every layer.
    """
    threads = torch.get_num_threads()
    shares = [*_shares(photos, threads, batch_size(predictor.size))]
    workers = min(threads, len(shares))
    if predictor.device.type == "cuda":
        work.computing = threading.Lock()
    started = time.perf_counter()
    # disable=None: no bar without a terminal.
    bar = tqdm(total=len(photos), desc="segmenting", unit=" photos", leave=False, disable=None)
    with (
        bar,
        ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,)) as pool,
    ):
        futures = [pool.submit(_segment, predictor, share, work, bar) for share in shares]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            work.broken = True
            raise
        finally:
            torch.set_num_threads(threads)
    work.seconds = time.perf_counter() - started


def _shares(photos: Sequence[Photo], threads: int, most: int) -> Iterator[Sequence[Photo]]:
    """Yield the photographs that a thread segments at a time: fewer than a batch if that keeps all threads at work."""
    size = min(most, math.ceil(len(photos) / threads))
    for start in range(0, len(photos), size):
        yield photos[start : start + size]


def _segment(predictor: Predictor, photos: Sequence[Photo], work: Work, bar: tqdm) -> None:
    """Write the pictures of photographs."""
    for batch in _batches(_opened(predictor, photos, work, bar)):
        if work.stopped:
            return
        with work.computing:
            started = time.perf_counter()
            probabilities = predictor.probabilities([opened.square for opened in batch])
            each = (time.perf_counter() - started) / len(batch)
        for opened, of_photo in zip(batch, probabilities, strict=True):
            if work.stopped:
                return
            _finish(opened, of_photo, opened.seconds + each, work)
            bar.update()


def _opened(predictor: Predictor, photos: Iterable[Photo], work: Work, bar: tqdm) -> Iterator[Opened]:
    for photo in photos:
        if work.stopped:
            return
        started = time.perf_counter()
        try:
            picture = read_photo(photo.path, predictor.value_range)
            if (side := max(picture.size)) > LONGEST_SIDE:
                raise BadFileError(
                    f"{photo.name.name}: has a side of {side} pixels, of which a JPEG takes {LONGEST_SIDE}; make it "
                    "smaller"
                )
        except BadFileError as error:
            work.fail(photo, str(error))
            bar.update()
            continue
        square = predictor.squared(picture)
        yield Opened(photo, picture, square, time.perf_counter() - started)


def _batches(opened: Iterable[Opened]) -> Iterator[list[Opened]]:
    batch: list[Opened] = []
    pixels = 0
    for item in opened:
        batch.append(item)
        pixels += item.picture.width * item.picture.height
        if len(batch) == BATCH or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _finish(opened: Opened, probabilities: np.ndarray, seconds: float, work: Work) -> None:
    """Write the files of a photograph and its row: all of them, or none."""
    photo = opened.photo
    try:
        work.rows[photo.path] = _write(opened, probabilities, work.output, seconds)
    except Exception as error:
        work.remove(photo)
        own = error.errno in OF_THE_PHOTO if isinstance(error, WriteError) else isinstance(error, ValueError)
        if not own:
            raise
        work.fail(photo, f"{photo.name.name}: its pictures cannot be made ({reason(error.__cause__ or error)})")


def _write(opened: Opened, probabilities: np.ndarray, output: Path, seconds: float) -> Mapping[str, Any]:
    """Write the files of a photograph and return its row."""
    started = time.perf_counter()
    prediction = Prediction(opened.picture, stretched(probabilities, opened.picture.size))
    mask, cutout, overlay = opened.photo.made(output)
    profile = opened.picture.info.get("icc_profile")
    write_whole(mask, lambda file: prediction.mask_picture().save(file, "PNG", **PNG))
    picture = prediction.cutout()
    write_whole(cutout, lambda file: picture.save(file, "PNG", **PNG, icc_profile=profile))
    picture = prediction.overlay()
    write_whole(overlay, lambda file: picture.save(file, "JPEG", quality=QUALITY, icc_profile=profile))
    return {
        "file": _as_utf8(opened.photo.name.as_posix()),
        "width": opened.picture.width,
        "height": opened.picture.height,
        "share_of_pet": f"{prediction.share:.4f}",
        "confidence": f"{prediction.confidence:.4f}",
        "seconds": f"{seconds + time.perf_counter() - started:.3f}",
    }


def _as_utf8(name: str) -> str:
    """Return a name for the table: as it is, or escaped where the file system has bytes that are not UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return escaped(name)
    return name
