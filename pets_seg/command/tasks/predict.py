"""task=predict: segment photographs with the network of a checkpoint."""

import csv
import io
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from tqdm import tqdm

from pets_seg.command.arguments import key_of
from pets_seg.command.photos import Photo, check_output, find_photos
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.weights import find_weights
from pets_seg.data.levels import BadFileError
from pets_seg.data.photo import read_photo
from pets_seg.errors import InputError, RunError, printable
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.evaluation.predictor import Predictor
from pets_seg.machine.device import resolve_device
from pets_seg.machine.files import absolute, write_text, write_whole
from pets_seg.machine.terminal import from_here
from pets_seg.models.checkpoint import read_about

TABLE = "predictions.csv"
COLUMNS = ("file", "width", "height", "share_of_pet", "confidence", "seconds")
# Photographs and pixels of a batch at most: decoded ones take 3 bytes a pixel until they are written.
BATCH, BATCH_PIXELS = 8, 2**26
# Little compression, since a cut-out is written for each photograph: a third of the time, a tenth more bytes.
COMPRESSION, QUALITY = 1, 92
log = logging.getLogger("pets_seg")


@dataclass(frozen=True)
class Opened:
    """A photograph that was read: its pixels, the square of them that the network takes, and seconds spent."""

    photo: Photo
    picture: Image.Image
    square: np.ndarray
    seconds: float


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, a device that is not here, and files that cannot be found or written."""
    config, weights, photos, output = _read(cfg)
    about = read_about(weights)
    given = config["model"]
    if "model" in map(key_of, overrides) and given["_target_"] != about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network of the run is {about['model']['name']}; leave model out")
    resolve_device(config["train"]["device"])
    check_output(photos, output, [output / TABLE], config["overwrite"])


def run(cfg: DictConfig) -> float:
    """Write mask, cut-out and overlay of each photograph, and a table; return the number of photographs."""
    config, weights, photos, output = _read(cfg)
    # Another job of a sweep may have written there since `prepare`.
    check_output(photos, output, [output / TABLE], config["overwrite"])
    predictor = Predictor(weights, resolve_device(config["train"]["device"]), config["predict"]["flip"])
    rows: dict[Path, Mapping[str, Any]] = {}
    failed: dict[Path, str] = {}
    started = time.perf_counter()
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = _segmented(predictor, photos, output, pool, failed)
            # disable=None: no bar without a terminal.
            bar = tqdm(results, "segmenting", len(photos), unit=" photos", leave=False, disable=None)
            for photo, row in bar:
                rows[photo.path] = row
                bar.total = len(photos) - len(failed)
    finally:
        # Also of what was made before an interruption.
        if rows:
            _write_table(output / TABLE, [rows[photo.path] for photo in photos if photo.path in rows])
    seconds = time.perf_counter() - started
    for line in failed.values():
        log.warning(line)
    print(f"{len(rows)} of {len(photos)} photographs in {seconds:.1f} s: {from_here(output)}")
    if failed:
        raise RunError(f"{len(failed)} of {len(photos)} photographs could not be used; the others are in {output}")
    return float(len(rows))


def _read(cfg: DictConfig) -> tuple[dict[str, Any], Path, list[Photo], Path]:
    """Return the configuration, the weights, the photographs and the output folder."""
    config = check(cfg, named=("model",))
    allow(config)
    for key, example in {"checkpoint": "runs/default/RUN", "input": "photos", "output": "masks"}.items():
        if not config[key]:
            raise InputError(f"{key}: is needed with task=predict; give one, e.g. {key}={example}")
    output = absolute(config["output"])
    if output.exists() and not output.is_dir():
        raise InputError(f"output={printable(output)}: is a file; give a folder")
    return config, find_weights(config["checkpoint"]), find_photos(config["input"], output), output


def _segmented(
    predictor: Predictor, photos: Sequence[Photo], output: Path, pool: ThreadPoolExecutor, failed: dict[Path, str]
) -> Iterator[tuple[Photo, Mapping[str, Any]]]:
    """Yield photographs with their rows as their files are written; those that cannot be read go into `failed`.

    While the network computes a batch, the next one is read and the last one written.
    """
    writing: deque[tuple[Photo, Future[Mapping[str, Any]]]] = deque()
    for batch in _batches(_opened(predictor, photos, pool, failed)):
        started = time.perf_counter()
        probabilities = predictor.probabilities([opened.square for opened in batch])
        each = (time.perf_counter() - started) / len(batch)
        while writing:
            photo, future = writing.popleft()
            yield photo, future.result()
        for opened, of_photo in zip(batch, probabilities, strict=True):
            writing.append((opened.photo, pool.submit(_write, opened, of_photo, output, opened.seconds + each)))
    for photo, future in writing:
        yield photo, future.result()


def _opened(
    predictor: Predictor, photos: Iterable[Photo], pool: ThreadPoolExecutor, failed: dict[Path, str]
) -> Iterator[Opened]:
    reading: deque[tuple[Photo, Future[Opened]]] = deque()

    def read(photo: Photo) -> Opened:
        started = time.perf_counter()
        picture = read_photo(photo.path, predictor.value_range)
        square = predictor.squared(picture)
        return Opened(photo, picture, square, time.perf_counter() - started)

    def first() -> Iterator[Opened]:
        photo, future = reading.popleft()
        try:
            yield future.result()
        except BadFileError as error:
            failed[photo.path] = str(photo.name.parent / str(error)) if photo.name.parent.parts else str(error)

    for photo in photos:
        reading.append((photo, pool.submit(read, photo)))
        if len(reading) > BATCH:
            yield from first()
    while reading:
        yield from first()


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
    write_whole(mask, lambda file: prediction.mask_picture().save(file, "PNG", compress_level=COMPRESSION))
    picture = prediction.cutout()
    write_whole(cutout, lambda file: picture.save(file, "PNG", compress_level=COMPRESSION, icc_profile=profile))
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
