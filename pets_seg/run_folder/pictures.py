"""The file of a run that holds a few validation images and what the network made of them at some epochs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pets_seg.machine.files import write_whole
from pets_seg.run_folder.names import PICTURES, WANDB

# A picture's stem, image uint8 (3,S,S), mask uint8 (S,S) of 0, 1 and 255, and predicted mask bool (S,S).
Picture = tuple[str, np.ndarray, np.ndarray, np.ndarray]
# Where older versions kept those of the end of a run until they were uploaded.
FORMER = f"{WANDB}/{PICTURES}"


def add_pictures(folder: Path, epoch: int, pictures: Sequence[Picture]) -> None:
    """Write the pictures of an epoch beside those of earlier epochs; RunError if the file cannot be written.

    They are of the same images at each epoch, which the file therefore holds once; those of other images are dropped.
    """
    stems, images, masks, _ = map(np.stack, zip(*pictures, strict=True))
    kept = {
        earlier: taken
        for earlier, taken in read_pictures(folder).items()
        if earlier < epoch and all(map(_same_image, taken, pictures)) and len(taken) == len(pictures)
    }
    kept[epoch] = [*pictures]
    predicted = np.stack([np.stack([prediction for *_, prediction in taken]) for taken in kept.values()])
    arrays: dict[str, Any] = {
        "stem": stems,
        "image": images,
        "mask": masks,
        "epoch": np.array([*kept]),
        "predicted": predicted,
    }
    write_whole(folder / PICTURES, lambda file: np.savez_compressed(file, **arrays))


def read_pictures(folder: Path, last: int = 0) -> dict[int, list[Picture]]:
    """Return the pictures of a run folder by their epoch; nothing if there are none, or the file cannot be read.

    Those of an older version are read if the `last` epoch, of which they are, is given.
    """
    path = folder / PICTURES
    former = last > 0 and not path.exists()
    try:
        with np.load(folder / FORMER if former else path) as file:
            stems, images, masks = file["stem"].tolist(), file["image"], file["mask"]
            epochs = [last] if former else file["epoch"].tolist()
            predicted = file["predicted"][None] if former else file["predicted"]
        count, _, *size = images.shape
        _check("image", images, (count, 3, *size), np.uint8)
        _check("mask", masks, (count, *size), np.uint8)
        _check("predicted", predicted, (len(epochs), count, *size), np.bool_)
        return {
            epoch: list(zip(stems, images, masks, of_epoch, strict=True))
            for epoch, of_epoch in zip(epochs, predicted, strict=True)
        }
    # A damaged file shows as one of many types (BadZipFile, zlib.error, TypeError, ...).
    except Exception:
        return {}


def _check(name: str, array: np.ndarray, shape: tuple[int, ...], dtype: type[np.generic]) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; must be {np.dtype(dtype)} {shape}")


def _same_image(one: Picture, other: Picture) -> bool:
    return one[0] == other[0] and np.array_equal(one[1], other[1]) and np.array_equal(one[2], other[2])
