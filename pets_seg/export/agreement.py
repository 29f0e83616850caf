"""Whether an exported network gives what PyTorch gives, on test images."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

from pets_seg.config.schema import IGNORED
from pets_seg.data.batches import mask_of_trimap
from pets_seg.data.cache import Split
from pets_seg.evaluation.metrics import dice_and_iou, overlap
from pets_seg.evaluation.photo_prediction import THRESHOLD
from pets_seg.evaluation.predictor import Predictor
from pets_seg.export.graph import PHOTO

BATCH = 16
# Photographs that are compared at their own size, and runs that are timed.
PHOTOS, TIMED = 16, 40


@dataclass(frozen=True)
class Agreement:
    """The largest difference of probabilities, and the mean Dice over images of PyTorch and of the exported network.

    `largest` is that of images as the network takes them, `resized` that of photographs at their own size.
    """

    images: int
    photos: int
    largest: float
    resized: float
    dice: float
    exported_dice: float

    @property
    def points(self) -> float:
        """How many points of Dice the exported network has more than PyTorch."""
        return 100 * (self.exported_dice - self.dice)


class Session:
    """An exported network, run by ONNX Runtime on the CPU."""

    def __init__(self, graph: onnx.ModelProto, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Its warnings are about its own choices.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        """Return the probabilities of pet, (B,H,W) float32, of photographs (B,H,W,3) uint8."""
        [probabilities] = self._session.run(None, {PHOTO: photos})
        return probabilities


def compare(
    session: Session, predictor: Predictor, split: Split, boundary: str, photos: Sequence[Image.Image]
) -> Agreement:
    """Compare on all images of a split as the network takes them, and on photographs at their own size."""
    mask_of = mask_of_trimap(boundary)
    largest, resized, dice, exported_dice = 0.0, 0.0, [], []
    for rows, squares in squares_of(split, BATCH):
        mask = mask_of[split.trimaps(rows).int()]
        ours, theirs = predictor.probabilities(squares), session(np.stack(squares))
        # Unlike max, it keeps a NaN.
        largest = float(np.maximum(largest, np.abs(ours - theirs).max()))
        dice.append(_dice(ours, mask))
        exported_dice.append(_dice(theirs, mask))
    for photo in photos:
        difference = predictor(photo).probabilities - session(np.asarray(photo)[None])[0]
        resized = float(np.maximum(resized, np.abs(difference).max()))
    means = [float(torch.cat(found).nanmean()) for found in (dice, exported_dice)]
    return Agreement(len(split), len(photos), largest, resized, *means)


def milliseconds(sessions: Sequence[Session], split: Split) -> list[float]:
    """Return the median times of one image as the network takes it; they take turns, so that the pace is the same."""
    [square] = next(squares_of(split, 1))[1]
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(TIMED):
        for session, found in zip(sessions, times, strict=True):
            started = time.perf_counter()
            session(square[None])
            found.append(time.perf_counter() - started)
    return [1000 * median(found[2:]) for found in times]


def squares_of(split: Split, batch: int) -> Iterator[tuple[torch.Tensor, Sequence[np.ndarray]]]:
    """Yield the rows of a split in batches, with their images (S,S,3) uint8."""
    for rows in split.rows.split(batch):
        yield rows, [*split.images.index_select(0, rows).permute(0, 2, 3, 1).contiguous().numpy()]


def _dice(probabilities: np.ndarray, mask: torch.Tensor) -> torch.Tensor:
    dice, _ = dice_and_iou(overlap(torch.from_numpy(probabilities > THRESHOLD), mask))
    return torch.where((mask != IGNORED).flatten(1).any(1), dice, torch.nan)
