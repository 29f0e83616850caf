"""What a run reached, for summary.json."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DICE_MARKS = {"epochs_to_080": 0.80, "epochs_to_085": 0.85, "epochs_to_088": 0.88, "epochs_to_090": 0.90}


def summarise(
    rows: Sequence[Mapping[str, Any]], test: Mapping[str, float], metrics: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the best validated epoch of `rows`, its test figures, and the epochs to some Dice marks.

    `metrics` are the names of those that a configuration has beside Dice, IoU and loss.
    """
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
    summary |= metric_summary(metrics, best, test)
    for key, mark in DICE_MARKS.items():
        summary[key] = next((row["epoch"] for row in rows if row["val/dice"] >= mark), None)
    return summary


def metric_summary(metrics: Iterable[str], best: Mapping[str, Any], test: Mapping[str, float]) -> dict[str, Any]:
    """Return the figures of `metrics` in the best epoch's row of metrics.csv and on the test images."""
    keys = {name: (f"val_{name}_at_best", f"test_{name}") for name in metrics}
    return {key: value for n, (v, t) in keys.items() for key, value in ((v, best.get(f"val/{n}")), (t, test[n]))}
