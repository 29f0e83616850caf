"""The figures of a finished run: the numbers of its summary, and what follows from its metrics by epoch."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def number_of(summary: Mapping[str, Any], key: str) -> float:
    """Return a number of a summary, NaN if it has none of this name."""
    value = summary.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def facts_of(summary: Mapping[str, Any], metrics: pd.DataFrame, device: Any = None) -> dict[str, float]:
    """Return the numbers of a summary, and some that are derived from the metrics.

    `val_dice` is that of the best epoch; `gap` the validation less the training loss of the last epoch, `turn` the
    epoch of the lowest validation loss unless that is the last one; `images_per_second` the median over epochs. The
    peak memory is there only where `device` is a CUDA device.
    """
    figures = {key: number for key in summary if not math.isnan(number := number_of(summary, key))}
    # Elsewhere it is that of the process, with what the jobs before this one left in it.
    if not str(device).startswith("cuda"):
        figures.pop("peak_memory_mb", None)
    figures["val_dice"] = number_of(summary, "best_val_dice")
    loss = metrics["val/loss"].to_numpy(dtype=float)
    if (~np.isnan(loss)).any():
        figures["gap"] = float(loss[-1] - metrics["train/loss"].to_numpy(dtype=float)[-1])
        epochs = metrics["epoch"].to_numpy(dtype=float)
        lowest = epochs[np.nanargmin(loss)]
        if lowest < epochs[-1]:
            figures["turn"] = float(lowest)
        if "images_per_second" in metrics:
            figures["images_per_second"] = float(metrics["images_per_second"].median())
    return figures


def first_at(summary: Mapping[str, Any], metrics: pd.DataFrame, mark: float) -> tuple[float, float]:
    """Return epochs and seconds to a Dice, infinite if the run never reached it, NaN if that is not known."""
    if metrics.empty:
        key = f"epochs_to_{round(100 * mark):03d}"
        return (math.inf if summary.get(key, "") is None else number_of(summary, key)), math.nan
    hits = metrics["val/dice"].to_numpy() >= mark
    if not hits.any():
        return math.inf, math.inf
    row = int(hits.argmax())
    return float(metrics["epoch"].to_numpy()[row]), float(np.nansum(metrics["seconds"].to_numpy()[: row + 1]))
