"""Pictures of images with their masks for W&B, and the file that keeps them until they are uploaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pets_seg.errors import escaped
from pets_seg.run_folder.names import WANDB

# A picture's stem, image uint8 (3,S,S), mask uint8 (S,S) of 0, 1 and 255, and predicted mask bool (S,S).
Picture = tuple[str, np.ndarray, np.ndarray, np.ndarray]
CLASSES = {0: "background", 1: "pet", 255: "ignored"}
SAVED_PICTURES = f"{WANDB}/pictures.npz"


def save_pictures(folder: Path, pictures: Sequence[Picture]) -> None:
    """Keep the pictures of a run folder for `make sync`."""
    stems, images, masks, predicted = map(np.stack, zip(*pictures, strict=True))
    np.savez_compressed(folder / SAVED_PICTURES, stem=stems, image=images, mask=masks, predicted=predicted)


def saved_pictures(folder: Path) -> list[Picture]:
    """Return what `save_pictures` kept, or nothing."""
    path = folder / SAVED_PICTURES
    if not path.exists():
        return []
    with np.load(path) as kept:
        return list(zip(kept["stem"].tolist(), kept["image"], kept["mask"], kept["predicted"], strict=True))


def wandb_image(stem: str, image: np.ndarray, mask: np.ndarray, predicted: np.ndarray) -> Any:
    import wandb
    from PIL import Image

    masks = {"prediction": predicted.astype(np.uint8), "truth": mask.astype(np.uint8)}
    return wandb.Image(
        Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))),
        caption=escaped(stem),
        masks={name: {"mask_data": content, "class_labels": CLASSES} for name, content in masks.items()},
    )
