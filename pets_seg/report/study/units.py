"""The units in which the page and the terminal give costs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


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


def unit_of(key: str, values: Iterable[float]) -> Unit:
    """Return the unit for the largest of the values that are known."""
    largest = max([0.0, *filter(math.isfinite, values)])
    return [unit for least, unit in UNITS[key] if largest >= least][-1]
