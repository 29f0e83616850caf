"""What a run reached, for summary.json."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DICE_MARKS = {"epochs_to_080": 0.80, "epochs_to_085": 0.85, "epochs_to_088": 0.88, "epochs_to_090": 0.90}


def summarise(rows: Sequence[Mapping[str, Any]], test: Mapping[str, float]) -> dict[str, Any]:
    """Return the best validated epoch of `rows`, its test figures, and the epochs to some Dice marks."""
    best = max(rows, key=lambda row: row["val/dice"])
    summary = {
        "best_epoch": best["epoch"],
        "best_val_dice": best["val/dice"],
        "val_loss_at_best": best["val/loss"],
        "test_dice": test["dice"],
        "test_iou": test["iou"],
        "test_loss": test["loss"],
        "test_ece": test["ece"],
        "train_seconds": sum(row["seconds"] for row in rows),
        "images_seen": rows[-1]["images_seen"],
        "updates": rows[-1]["updates"],
    }
    for key, mark in DICE_MARKS.items():
        summary[key] = next((row["epoch"] for row in rows if row["val/dice"] >= mark), None)
    return summary


def metric_summary(metrics: Iterable[str], valid: Mapping[str, float], test: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of `metrics` from the means of the best weights over both splits."""
    return {key: means[n] for n in metrics for key, means in ((f"val_{n}_at_best", valid), (f"test_{n}", test))}
