"""The rows of per_image.csv and calibration.csv."""

from collections.abc import Sequence
from typing import Any

from pets_seg.evaluation.calibration import reliability
from pets_seg.evaluation.evaluate import Scores


def per_image_rows(split: str, stems: Sequence[str], scores: Scores) -> list[dict[str, Any]]:
    """Return the rows of per_image.csv for a split."""
    columns = [scores.dice.tolist(), scores.iou.tolist(), scores.loss.tolist(), scores.pixels.long().tolist()]
    columns += [values.tolist() for values in scores.figures.values()]
    names = ("split", "stem", "dice", "iou", "loss", "pixels", *scores.figures)
    return [dict(zip(names, (split, *row), strict=True)) for row in zip(stems, *columns, strict=True)]


def calibration_rows(split: str, scores: Scores) -> list[dict[str, Any]]:
    """Return the rows of calibration.csv for a split."""
    return [{"split": split, **row} for row in reliability(scores.levels)]
