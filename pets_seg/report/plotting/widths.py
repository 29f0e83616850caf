"""How wide text is in print, and text made to fit."""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

# Font sizes in points.
SMALL, LABEL = 7.0, 7.5
# Inches of a label; the whole name stands in the tables and under the pointer.
LONGEST = 1.8


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SMALL) -> float:
    """Return how many inches `text` takes."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0] / 72


def widest(texts: Iterable[str], size: float = SMALL) -> float:
    """Return the inches that the widest of `texts` takes."""
    return max((text_width(text, size) for text in texts), default=0.0)


def shortened(text: str, inches: float = LONGEST, size: float = LABEL) -> str:
    """Return `text`, its middle left out where it is wider: names that differ mostly do so at their ends."""
    if text_width(text, size) <= inches:
        return text
    # At least two letters are kept.
    return _cut(
        text, 2 + bisect_right(range(3, len(text)), inches, key=lambda kept: text_width(_cut(text, kept), size))
    )


def _cut(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
