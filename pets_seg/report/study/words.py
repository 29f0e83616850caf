"""Figures, units and names as sentences, tables and axes write them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_NAMES = 8
# Beyond that many, groups and levels share a sentence or are counted.
MOST_SENTENCES = 6
# The metrics that a study may be about, as sentences and axes name them.
NAMES = {"test_dice": "test Dice", "val_dice": "validation Dice", "test_iou": "test IoU"}

# The learning curves that are shown, by column of metrics.csv. Dice comes last: labels stand at the ends of its lines.
PANELS = {"train/loss": "training loss", "val/loss": "validation loss", "val/dice": "validation Dice"}


@dataclass(frozen=True)
class Unit:
    """A unit of `scale`, as a table and as an axis name it."""

    scale: float
    short: str
    name: str


# By the figure of summary.json: its units, each with the value from which it is used, the smallest first.
UNITS = {
    "train_seconds": [
        (0.0, Unit(1, "s", "seconds")),
        (300.0, Unit(60, "min", "minutes")),
        (3 * 3600.0, Unit(3600, "h", "hours")),
    ],
    "peak_memory_mb": [(0.0, Unit(1, "MB", "MB")), (4e3, Unit(1e3, "GB", "GB"))],
    "parameters": [(0.0, Unit(1e3, "k", "thousand")), (1e6, Unit(1e6, "M", "million"))],
    "macs": [(0.0, Unit(1e6, "M", "million")), (1e9, Unit(1e9, "G", "thousand million"))],
}


def points(value: float, sign: bool = False) -> str:
    """Return a Dice or IoU in points, hundredths, with one decimal, or two if one would be 0."""
    if math.isnan(value):
        return ""
    digits = 1 if abs(value) >= 0.0005 or not value else 2
    rounded = round(100 * value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}"


def p_value(value: float) -> str:
    """Return a p-value with three digits, "" if it is not known."""
    return "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number: int, word: str) -> str:
    """Return "one seed", "3 seeds"."""
    return f"one {word}" if number == 1 else f"{number} {word}s"


def listed(names: Sequence[str], joint: str) -> str:
    """Return "a, b and c"; of many names the first and how many others there are."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} {joint} {count(len(names) - MOST_NAMES, 'other')}"
    return f" {joint} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def unit_of(key: str, values: Iterable[float]) -> Unit:
    """Return the unit for the largest of the values that are known."""
    largest = max([0.0, *filter(math.isfinite, values)])
    return [unit for least, unit in UNITS[key] if largest >= least][-1]
