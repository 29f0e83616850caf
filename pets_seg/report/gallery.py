"""The images of the page that can be leafed through, as data for its script."""

import base64
import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from pets_seg.errors import escaped, reason
from pets_seg.report.predicted import resized
from pets_seg.report.search import only_trials
from pets_seg.report.study.gallery import Gallery, choose_gallery
from pets_seg.report.study.study import Study

# Pixels of a side: larger photographs and masks would make the page heavy.
LARGEST = 160
QUALITY = 80
log = logging.getLogger("pets_seg")


def gallery_data(study: Study, labels: Mapping[str, str]) -> dict[str, Any] | None:
    """Return photographs, masks and Dice of the images of `choose_gallery`; None if there are none.

    By number of the group and of the seed `masks` and `dice` hold a value for each image, None where the group does not
    show it. A mask is the lengths of its runs in base 36, row by row, background first. All are of one `side`, whatever
    the size at which a group predicts them.
    """
    from pets_seg.evaluation.prediction import predict_test

    gallery = None if only_trials(study) else choose_gallery(study)
    if gallery is None:
        return None
    stems = gallery.stems(gallery.groups[0])
    place = {stem: number for number, stem in enumerate(stems)}
    masks, dice = [], []
    photographs: list[str] = []
    truths: list[np.ndarray] = []
    side = LARGEST
    try:
        for group in gallery.groups:
            wanted = gallery.stems(group)
            of_group: list[list[str | None]] = []
            for seed in gallery.seeds:
                images, masks_of_images, predicted = predict_test(gallery.run(group, seed).folder, wanted)
                if not photographs:
                    side = min(LARGEST, len(images[0]))
                    photographs = [*map(_photograph, images)]
                    truths = [resized(truth, side) for truth in masks_of_images]
                of_seed: list[str | None] = [None] * len(stems)
                for stem, mask in zip(wanted, predicted, strict=True):
                    of_seed[place[stem]] = _lengths(resized(mask, side))
                of_group.append(of_seed)
            masks.append(of_group)
            dice.append([_dice(gallery, group.name, seed, stems) for seed in gallery.seeds])
    # A user's own network may raise anything; the page is made without them.
    except Exception as error:
        log.debug("traceback", exc_info=True)
        log.info(f"no images to leaf through: {reason(error)}")
        return None
    return {
        "groups": [labels[group.name] for group in gallery.groups],
        "seeds": gallery.seeds,
        "stems": [escaped(stem) for stem in stems],
        "photographs": photographs,
        "truths": [_lengths(truth == 1) for truth in truths],
        "uncounted": [_lengths(truth == 255) if (truth == 255).any() else "" for truth in truths],
        "side": side,
        "masks": masks,
        "dice": dice,
        "worst": [[place[stem] for stem in gallery.worst[group.name]] for group in gallery.groups],
        "changed": [[place[stem] for stem in gallery.changed[group.name]] for group in gallery.groups],
    }


def _dice(gallery: Gallery, name: str, seed: int, stems: list[str]) -> list[float]:
    group = next(group for group in gallery.groups if group.name == name)
    table = gallery.run(group, seed).images["test"]["dice"]
    return [round(float(table[stem]), 4) for stem in stems]


def _photograph(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _lengths(mask: np.ndarray) -> str:
    pixels = mask.ravel()
    ends = np.flatnonzero(np.diff(pixels, prepend=False, append=not pixels[-1]))
    return " ".join(np.base_repr(length, 36).lower() for length in np.diff(ends, prepend=0))
