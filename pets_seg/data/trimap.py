"""From the levels of a mask to the values of a trimap."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pets_seg.config.schema import IGNORED
from pets_seg.data.levels import BadFileError, Level, Levels

# Values of a trimap.
NOT_COUNTED, PET, BACKGROUND, BOUNDARY = range(4)
TRIMAP: Mapping[Level, int] = {1: PET, 2: BACKGROUND, 3: BOUNDARY}


@dataclass(frozen=True)
class MaskRule:
    """The trimap value of each level, by its index in the palette if `by_index`, and what is said of it in one line.

    `refused` has the masks to which it cannot be applied, each with the reason.
    """

    trimap_of: Mapping[Level, int]
    said: str
    by_index: bool = False
    refused: Mapping[Levels, str] = field(default_factory=dict)

    def table(self, mask: Levels) -> list[int]:
        """Return the trimap value of each level of a mask; BadFileError for a mask that cannot be read by this rule."""
        if self.refused and (reason := self.refused.get(mask)):
            raise BadFileError(f"{mask.file}: {reason}")
        keys: Sequence[Level] = mask.indices if self.by_index and mask.indices else mask.levels
        if unknown := [key for key in keys if key not in self.trimap_of]:
            known = ", ".join(map(str, self.trimap_of))
            raise BadFileError(f"{mask.file}: holds the value {unknown[0]}; its source knows {known}")
        return [self.trimap_of[key] for key in keys]


def fixed_rule(mask_values: Mapping[int, int]) -> MaskRule:
    """Return the rule of a source that knows what its values mean: 0 background, 1 pet, 255 not counted."""
    of_mask = {0: BACKGROUND, 1: PET, IGNORED: NOT_COUNTED}
    return MaskRule({value: of_mask[meaning] for value, meaning in mask_values.items()}, "", by_index=True)


def count_pixels(masks: Iterable[Levels], by_index: bool = False) -> Counter[Level]:
    """Return the number of pixels of each level, or of each index of the masks with a palette."""
    total: Counter[Level] = Counter()
    for mask in masks:
        for level, count in zip((mask.indices or ()) if by_index else mask.levels, mask.counts, strict=False):
            total[level] += count
    return total


def split_alpha(level: Level) -> tuple[Level, int]:
    """Return the colour of a level without alpha, and its alpha from 0 to 255."""
    if not isinstance(level, str) or len(level) < 9:
        return level, 255
    red, green, blue, alpha = bytes.fromhex(level[1:])
    return (red if red == green == blue else level[:7]), alpha


def ordered(levels: Iterable[Level]) -> list[Level]:
    """Return levels as they are shown: numbers first, then colours."""
    return sorted(dict.fromkeys(levels), key=lambda level: (isinstance(level, str), level))


def some(levels: Iterable[Level]) -> str:
    """Return the first levels as text."""
    shown = ordered(levels)
    return ", ".join(map(str, shown[:4])) + (", ..." if len(shown) > 4 else "")


def joined(levels: Iterable[Level], word: str = "and") -> str:
    """Return levels as text, with `word` between them."""
    return f" {word} ".join(map(str, ordered(levels)))
