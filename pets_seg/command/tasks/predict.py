"""task=predict: segment photographs with the network of a checkpoint."""

import csv
import io
import logging
import math
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image
from tqdm import tqdm

from pets_seg.command.arguments import key_of
from pets_seg.command.output_folder import check_output, held, refuse_held, remove_left
from pets_seg.command.photo_search import TABLE
from pets_seg.command.photos import Photo, find_photos
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.weights import find_weights
from pets_seg.data.levels import BadFileError
from pets_seg.data.photo import read_photo
from pets_seg.errors import InputError, RunError
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.evaluation.predictor import Predictor
from pets_seg.machine.device import resolve_device
from pets_seg.machine.files import absolute, write_text, write_whole
from pets_seg.machine.terminal import from_here
from pets_seg.models.checkpoint import read_about

COLUMNS = ("file", "width", "height", "share_of_pet", "confidence", "seconds")
# Photographs and pixels of a batch at most: decoded ones take 3 bytes a pixel until they are written.
BATCH, BATCH_PIXELS = 8, 2**25
# A fifth of the time that Pillow's own settings take for a cut-out, and a tenth more bytes.
PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}
QUALITY = 92
log = logging.getLogger("pets_seg")


@dataclass(frozen=True)
class Opened:
    """A photograph that was read: its pixels, the square of them that the network takes, and seconds spent."""

    photo: Photo
    picture: Image.Image
    square: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Work:
    """What the threads share: the progress bar, rows of the table by photograph, and why others could not be used."""

    bar: tqdm
    rows: dict[Path, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)
    # Set when the command was interrupted or a thread failed.
    stop: threading.Event = field(default_factory=threading.Event)


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, a device that is not here, and files that cannot be found or written."""
    config, weights, output = _settings(cfg)
    about = read_about(weights)
    given = config["model"]
    if "model" in map(key_of, overrides) and given["_target_"] != about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network of the run is {about['model']['name']}; leave model out")
    resolve_device(config["train"]["device"])
    refuse_held(output)
    photos, _ = find_photos(config["input"], output)
    check_output(photos, output, config["overwrite"])


def run(cfg: DictConfig) -> float:
    """Write mask, cut-out and overlay of each photograph, and a table; return the number of photographs."""
    config, weights, output = _settings(cfg)
    # Another command may have written there since `prepare`.
    with held(output):
        photos, left_out = find_photos(config["input"], output)
        check_output(photos, output, config["overwrite"])
        remove_left(photos, output)
        if left_out:
            log.warning(left_out)
        return _run(config, weights, photos, output)


def _run(config: Mapping[str, Any], weights: Path, photos: Sequence[Photo], output: Path) -> float:
    predictor = Predictor(weights, resolve_device(config["train"]["device"]), config["predict"]["flip"])
    started = time.perf_counter()
    # disable=None: no bar without a terminal.
    bar = tqdm(total=len(photos), desc="segmenting", unit=" photos", leave=False, disable=None)
    work = Work(bar)
    try:
        with bar:
            _segment_all(predictor, photos, output, work)
    finally:
        # Also of what was made before an interruption.
        if work.rows:
            _write_table(output / TABLE, [work.rows[photo.path] for photo in photos if photo.path in work.rows])
    seconds = time.perf_counter() - started
    for photo in photos:
        if photo.path in work.failed:
            log.warning(work.failed[photo.path])
    print(f"{len(work.rows)} of {len(photos)} photographs in {seconds:.1f} s: {from_here(output)}")
    if work.failed:
        raise RunError(f"{len(work.failed)} of {len(photos)} photographs could not be used; the others are in {output}")
    return float(len(work.rows))


def _settings(cfg: DictConfig) -> tuple[dict[str, Any], Path, Path]:
    """Return the configuration, the weights and the output folder."""
    config = check(cfg, named=("model",))
    allow(config)
    for key, example in {"checkpoint": "runs/default/RUN", "input": "photos", "output": "masks"}.items():
        if not config[key]:
            raise InputError(f"{key}: is needed with task=predict; give one, e.g. {key}={example}")
    return config, find_weights(config["checkpoint"]), absolute(config["output"])


def _segment_all(predictor: Predictor, photos: Sequence[Photo], output: Path, work: Work) -> None:
    """Segment photographs in threads, each of which reads some, computes and writes their pictures.

    So a thread never waits for another one, as those that compute one image together do at every layer.
    """
    threads = torch.get_num_threads()
    shares = [*_shares(photos, threads)]
    workers = min(threads, len(shares))
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,)) as pool:
        futures = [pool.submit(_segment, predictor, share, output, work) for share in shares]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            work.stop.set()
            torch.set_num_threads(threads)


def _shares(photos: Sequence[Photo], threads: int) -> Iterator[Sequence[Photo]]:
    """Yield the photographs that a thread segments at a time: fewer than a batch if that keeps all threads at work."""
    size = min(BATCH, math.ceil(len(photos) / threads))
    for start in range(0, len(photos), size):
        yield photos[start : start + size]


def _segment(predictor: Predictor, photos: Sequence[Photo], output: Path, work: Work) -> None:
    """Write the pictures of photographs."""
    for batch in _batches(_opened(predictor, photos, work)):
        started = time.perf_counter()
        probabilities = predictor.probabilities([opened.square for opened in batch])
        each = (time.perf_counter() - started) / len(batch)
        for opened, of_photo in zip(batch, probabilities, strict=True):
            if work.stop.is_set():
                return
            work.rows[opened.photo.path] = _write(opened, of_photo, output, opened.seconds + each)
            work.bar.update()


def _opened(predictor: Predictor, photos: Iterable[Photo], work: Work) -> Iterator[Opened]:
    for photo in photos:
        if work.stop.is_set():
            return
        started = time.perf_counter()
        try:
            picture = read_photo(photo.path, predictor.value_range)
        except BadFileError as error:
            place = photo.name.parent
            work.failed[photo.path] = str(place / str(error)) if place.parts else str(error)
            work.bar.update()
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
        "file": opened.photo.name.as_posix(),
        "width": opened.picture.width,
        "height": opened.picture.height,
        "share_of_pet": f"{prediction.share:.4f}",
        "confidence": f"{prediction.confidence:.4f}",
        "seconds": f"{seconds + time.perf_counter() - started:.3f}",
    }


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
