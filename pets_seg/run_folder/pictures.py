"""The file of a run that holds a few validation images and what the network made of them at some epochs."""

import zipfile
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

    They are of the same images at each epoch, which the file therefore holds once.
    """
    kept = {earlier: taken for earlier, taken in read_pictures(folder).items() if earlier < epoch} | {epoch: pictures}
    stems, images, masks, _ = map(np.stack, zip(*pictures, strict=True))
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

    Those of an older version are of the `last` epoch.
    """
    path = folder / PICTURES
    former = not path.exists()
    try:
        with np.load(folder / FORMER if former else path) as file:
            stems, images, masks = file["stem"].tolist(), file["image"], file["mask"]
            epochs = [last] if former else file["epoch"].tolist()
            predicted = file["predicted"][None] if former else file["predicted"]
            return {
                epoch: list(zip(stems, images, masks, of_epoch, strict=True))
                for epoch, of_epoch in zip(epochs, predicted, strict=True)
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}
