"""Networks that predict one class for every image: they have a Dice, but have learned nothing."""

import numpy as np
import pandas as pd

from pets_seg.evaluation.metrics import EPSILON

# By the value of `constant_class`: a predicate of which the network is the subject.
CONSTANT = {
    "background": "predicts background for every test image",
    "pet": "predicts pet for every test image",
    "nothing": "finds no pixel of a pet in any test image",
}


def constant_class(images: pd.DataFrame, bins: pd.DataFrame) -> str | None:
    """Return "background" or "pet" if a network predicts that class for every image of a split.

    `images` are the split's rows of per_image.csv, `bins` those of calibration.csv. A constant network gives each image
    the Dice and IoU that follow from its number of pet pixels alone; these numbers must add up to that of `bins`.
    Return "nothing" if it is known only that no pixel of a pet was found, and None for any other network or no scores.
    """
    if images.empty:
        return None
    dice, iou, pixels = (images[name].to_numpy(dtype=float) for name in ("dice", "iou", "pixels"))
    if not (np.isfinite(dice) & np.isfinite(iou)).all():
        return None
    # With G pet pixels: pet everywhere has IoU (G + e) / (pixels + e), background everywhere has Dice e / (G + e).
    if_pet = np.rint(iou * (pixels + EPSILON) - EPSILON)
    with np.errstate(divide="ignore"):
        if_background = np.rint(EPSILON / dice - EPSILON)
    if _same(iou, (if_pet + EPSILON) / (pixels + EPSILON)) and _add_up(if_pet, bins):
        return "pet"
    if _same(dice, EPSILON / (if_background + EPSILON)) and _same(iou, dice) and _add_up(if_background, bins):
        return "background"
    # Without overlap Dice is at most e / (1 + e).
    return "nothing" if (dice < EPSILON).all() else None


def _same(scores: np.ndarray, expected: np.ndarray) -> bool:
    # As `np.allclose` has it, which takes ten times as long.
    return bool((abs(scores - expected) <= 1e-9 * abs(expected)).all())


def _add_up(counts: np.ndarray, bins: pd.DataFrame) -> bool:
    return not bins.empty and abs(float((bins["pixels"] * bins["pet_share"]).sum()) - counts.sum()) < 0.5
