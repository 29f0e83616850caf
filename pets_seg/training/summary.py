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
    for name in metrics:
        summary |= {f"val_{name}_at_best": best.get(f"val/{name}"), f"test_{name}": test[name]}
    for key, mark in DICE_MARKS.items():
        summary[key] = next((row["epoch"] for row in rows if row["val/dice"] >= mark), None)
    return summary
