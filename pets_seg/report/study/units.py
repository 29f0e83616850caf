"""The units in which costs are easily read."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit of `scale`, as a table and as an axis name it."""

    scale: float
    short: str
    name: str


# By the figure of summary.json: units, each with the value above which it is used, the smallest first.
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
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    return [unit for least, unit in UNITS[key] if largest >= least or least == 0][-1]
