"""Figures and names as sentences and tables write them."""

import math
from collections.abc import Sequence

MOST_NAMES = 8


def points(value: float, sign: bool = False) -> str:
    """Return a Dice or IoU in points, hundredths, with one decimal, or two if one would be 0."""
    if math.isnan(value):
        return ""
    digits = 1 if abs(value) >= 0.0005 or not value else 2
    rounded = round(100 * value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if sign and rounded else f"{rounded:.{digits}f}"


def count(number: int, word: str) -> str:
    """Return "one seed", "3 seeds"."""
    return f"one {word}" if number == 1 else f"{number} {word}s"


def listed(names: Sequence[str], joint: str) -> str:
    """Return "a, b and c"; of many names the first and how many others there are."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} {joint} {len(names) - MOST_NAMES} others"
    return f" {joint} ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
