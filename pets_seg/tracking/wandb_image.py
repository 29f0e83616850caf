"""A picture as W&B shows it: the image, with masks to be laid over it."""

from typing import Any

import numpy as np

from pets_seg.errors import escaped
from pets_seg.run_folder.pictures import Picture
from pets_seg.tracking.content import enlarged

CLASSES = {0: "background", 1: "pet", 255: "ignored"}


def wandb_image(picture: Picture) -> Any:
    """Return a wandb.Image with the masks prediction and truth."""
    import wandb
    from PIL import Image

    stem, image, mask, predicted = enlarged(picture)
    masks = {"prediction": predicted.astype(np.uint8), "truth": mask.astype(np.uint8)}
    return wandb.Image(
        Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))),
        caption=escaped(stem),
        masks={name: {"mask_data": content, "class_labels": CLASSES} for name, content in masks.items()},
    )
