"""What the levels of masks mean, decided once for all masks of a source."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import ImageColor

from pets_seg.config.schema import IGNORED
from pets_seg.data.levels import BadFileError, Level, Levels
from pets_seg.errors import InputError, printable

# Values of a trimap: 0 is not counted.
NOT_COUNTED, PET, BACKGROUND, BOUNDARY = range(4)
TRIMAP: Mapping[Level, int] = {1: PET, 2: BACKGROUND, 3: BOUNDARY}
MEANINGS = {"pet": PET, "background": BACKGROUND, "ignore": NOT_COUNTED}
# White, by the type of the file.
WHITE = {255, 65535}
# Uncertain margins are thinner than what they surround; more is a mask of 0 and 255 with a stray 1.
MOST_UNCERTAIN = 4


@dataclass(frozen=True)
class MaskRule:
    """The trimap value of each level, by its index in the palette if `by_index`, and what is said of it in one line."""

    trimap_of: Mapping[Level, int]
    said: str
    by_index: bool = False

    def table(self, mask: Levels) -> list[int]:
        """Return the trimap value of each level of a mask; BadFileError for one that has none."""
        keys: Sequence[Level] = mask.indices if self.by_index and mask.indices else mask.levels
        if unknown := [key for key in keys if key not in self.trimap_of]:
            known = ", ".join(map(str, self.trimap_of))
            raise BadFileError(f"holds the value {unknown[0]}; its source knows {known}")
        return [self.trimap_of[key] for key in keys]


def fixed_rule(mask_values: Mapping[int, int]) -> MaskRule:
    """Return the rule of a source that knows what its values mean: 0 background, 1 pet, 255 not counted."""
    of_mask = {0: BACKGROUND, 1: PET, IGNORED: NOT_COUNTED}
    return MaskRule({value: of_mask[meaning] for value, meaning in mask_values.items()}, "", by_index=True)


def decide(masks: Sequence[Levels], given: Mapping[str, Sequence[Any]] | None, threshold: float | None) -> MaskRule:
    """Return the rule for all `masks`; InputError if what they hold can be read in more than one way.

    Without `given` (data.mask_values), 0 and black are background: see docs/data.md for what is read how.
    """
    if threshold is not None:
        return MaskRule({0: BACKGROUND, 1: PET}, f"{threshold:g} or more is pet")
    if given is not None:
        return _as_given(masks, given)
    seen = _count(zip(mask.levels, mask.counts, strict=True) for mask in masks)
    alphas = {_split_alpha(level)[1] for level in seen}
    if len(alphas) > 1:
        return _by_alpha(masks, seen)
    if alphas != {255}:
        # Alpha that is the same everywhere says nothing.
        opaque = [replace(mask, levels=tuple(_split_alpha(level)[0] for level in mask.levels)) for mask in masks]
        of_opaque = decide(opaque, given, threshold)
        return replace(of_opaque, trimap_of={level: of_opaque.trimap_of[_split_alpha(level)[0]] for level in seen})
    if rule := _by_look(masks, seen):
        return rule
    if rule := _by_index(masks):
        return rule
    raise InputError(_unclear(masks, seen))


def _count(parts: Iterable[Iterable[tuple[Level, int]]]) -> Counter[Level]:
    total: Counter[Level] = Counter()
    for part in parts:
        for level, count in part:
            total[level] += count
    return total


def _by_look(masks: Sequence[Levels], seen: Counter[Level]) -> MaskRule | None:
    """Return the rule that grey values and colours suggest, or None if there is none, or more than one."""
    levels = {*seen}
    others = levels - {0}
    if levels == {1, 2, 3}:
        return MaskRule(TRIMAP, "1 pet, 2 background, 3 boundary")
    if any(not isinstance(level, str) and level < 0 for level in levels) or 0 not in levels:
        return None
    if len(others) <= 1 or others == WHITE:
        return MaskRule({0: BACKGROUND, **dict.fromkeys(others, PET)}, _and(0, *others))
    if others == {1, IGNORED}:
        together = any({1, IGNORED} <= {*mask.levels} for mask in masks)
        if together and seen[IGNORED] <= MOST_UNCERTAIN * seen[1]:
            return MaskRule({0: BACKGROUND, 1: PET, IGNORED: NOT_COUNTED}, "0 and 1, 255 not counted")
    return None


def _by_index(masks: Sequence[Levels]) -> MaskRule | None:
    """Return the rule that the indices of palettes suggest, where the colours that they paint decide nothing."""
    colours: dict[int, Level] = {}
    for mask in masks:
        for index, level in zip(mask.indices or (), mask.levels, strict=True) if mask.indices else ():
            if colours.setdefault(index, level) != level:
                return None
    if not all(mask.indices for mask in masks):
        return None
    plain = [Levels(mask.file, mask.indices or (), mask.counts) for mask in masks]
    rule = _by_look(plain, _count(zip(mask.levels, mask.counts, strict=True) for mask in plain))
    black = {index for index, level in colours.items() if level == 0}
    # Where black means something else, indices and colours contradict each other; without black, 0 is any colour.
    ground = {index for index in colours if rule and rule.trimap_of[index] == BACKGROUND}
    if rule is None or not black <= ground or (0 in colours and 0 not in black):
        return None
    return MaskRule(rule.trimap_of, f"palette indices {rule.said}", by_index=True)


def _by_alpha(masks: Sequence[Levels], seen: Counter[Level]) -> MaskRule:
    """Return the rule for masks that are transparent in part: alpha decides unless colours say something else."""
    parts = {level: _split_alpha(level) for level in seen}
    colour_of = {level: colour for level, (colour, _) in parts.items()}
    alphas = sorted({alpha for _, alpha in parts.values()})
    visible = {colour for colour, alpha in parts.values() if alpha}
    if len({*colour_of.values()}) > 1:
        by_colour = _by_look(masks, _count([((colour_of[level], count) for level, count in seen.items())]))
        agrees = by_colour and all(
            (by_colour.trimap_of[colour] == PET) == bool(alpha) for colour, alpha in parts.values()
        )
        if (by_colour and not agrees) or (not by_colour and len(visible) > 1):
            raise InputError(
                f"masks have a transparent part that says other than their colours ({masks[0].file}); "
                "save them without alpha"
            )
    if len(alphas) > 2 or alphas[0] != 0:
        if len(visible) > 1:
            raise InputError(
                f"masks have soft transparency and several colours ({masks[0].file}); save them without alpha"
            )
        raise InputError(
            f"masks have {len(alphas)} degrees of transparency from {alphas[0]} to {alphas[-1]} "
            f"({masks[0].file}); say from which alpha on it is pet, e.g. data.mask_threshold=128"
        )
    trimap_of = {level: PET if alpha else BACKGROUND for level, (_, alpha) in parts.items()}
    return MaskRule(trimap_of, f"alpha {_and(*alphas)}")


def _split_alpha(level: Level) -> tuple[Level, int]:
    if not isinstance(level, str) or len(level) < 9:
        return level, 255
    red, green, blue, alpha = bytes.fromhex(level[1:])
    return (red if red == green == blue else level[:7]), alpha


def _as_given(masks: Sequence[Levels], given: Mapping[str, Sequence[Any]]) -> MaskRule:
    """Return the rule of data.mask_values; levels that it does not name are background, unless it names background."""
    named = {_level(value): MEANINGS[meaning] for meaning, values in given.items() for value in values}
    seen = _count(zip(mask.levels, mask.counts, strict=True) for mask in masks)
    indices = _count(zip(mask.indices or (), mask.counts, strict=False) for mask in masks)
    by_index = bool(masks) and all(mask.indices for mask in masks)
    if by_index and (by_look := [level for level in named if level in seen]):
        if any(level in indices for level in by_look if not isinstance(level, str)) and not _same(masks):
            raise InputError(
                f"data.mask_values: {by_look[0]} is a grey value of these masks and an index of their palette; "
                "name the colours, e.g. data.mask_values='{pet:[\"#ffffff\"]}'"
            )
        by_index = False
    held = indices if by_index else seen
    pet = [level for level, meaning in named.items() if meaning == PET]
    if masks and not any(level in held for level in pet):
        raise InputError(f"data.mask_values: no mask holds {_or(pet)}; they hold {_some(held)}")
    unnamed = [level for level in held if level not in named]
    lossy = next((mask.file for mask in masks if mask.lossy), None)
    if unnamed and ("background" in given or (lossy and len(unnamed) > 1)):
        why = f"JPEG changes values; for {lossy} give data.mask_threshold" if lossy else "say what they mean as well"
        raise InputError(f"data.mask_values: masks also hold {_some(dict.fromkeys(unnamed))}; {why}")
    rule = dict.fromkeys(unnamed, BACKGROUND) | named
    ground = [level for level, meaning in rule.items() if meaning == BACKGROUND]
    ignored = [level for level, meaning in named.items() if meaning == NOT_COUNTED]
    said = f"{_and(*pet)} pet, {_some(dict.fromkeys(ground)) or 'nothing'} background"
    return MaskRule(rule, said + (f", {_and(*ignored)} not counted" if ignored else ""), by_index)


def _same(masks: Sequence[Levels]) -> bool:
    return all(mask.indices == mask.levels for mask in masks)


def _level(value: Any) -> Level:
    if isinstance(value, str):
        red, green, blue, *_ = ImageColor.getrgb(value)
        return red if red == green == blue else f"#{red:02x}{green:02x}{blue:02x}"
    return int(value) if value == int(value) else value


def check_mask_values(given: Any) -> None:
    """Raise InputError unless data.mask_values is {pet: [...]} with numbers or colours, or null."""
    key = "data.mask_values"
    example = "e.g. data.mask_values='{pet:[255],ignore:[128]}'"
    if given is None:
        return
    if not isinstance(given, Mapping) or not {*given} <= {*MEANINGS} or not given.get("pet"):
        raise InputError(
            f"{key}={printable(given)}: needs the values of pet, and may have background and ignore; {example}"
        )
    named: dict[Level, str] = {}
    for meaning, values in given.items():
        if not isinstance(values, list):
            raise InputError(f"{key}: {meaning} must be a list; {example}")
        for value in values:
            try:
                level = _level(value)
            except (ValueError, TypeError, OverflowError):
                raise InputError(
                    f"{key}: {printable(value)} is not a number and not a colour such as '#ff0000' or red; {example}"
                ) from None
            if named.setdefault(level, meaning) != meaning:
                raise InputError(f"{key}: {level} is given for {named[level]} and for {meaning}")


def _unclear(masks: Sequence[Levels], seen: Counter[Level]) -> str:
    held = _some(seen)
    example = next((mask.file for mask in masks if len(mask.levels) > 1), masks[0].file)
    lossy = next((mask.file for mask in masks if mask.lossy and len(mask.levels) > 2), None)
    if lossy or len(seen) > 16:
        cause = f"JPEG makes such values ({lossy}): save masks as PNG" if lossy else f"{example} has soft edges"
        return f"masks hold {held}; {cause}, or say from which value on it is pet, e.g. data.mask_threshold=128"
    if all(mask.indices for mask in masks) and any(isinstance(level, str) for level in seen):
        held = f"the colours {held}"
    known = "background is 0 or black and pet one other value, or 1, 2 and 3 are a trimap's"
    pet = next((level for level in seen if level not in (0, IGNORED)), 1)
    shown = f'"{pet}"' if isinstance(pet, str) else pet
    return (
        f"masks hold {held} ({example}), which could mean several things ({known}); "
        f"say which value is pet, e.g. data.mask_values='{{pet:[{shown}]}}'"
    )


def _ordered(levels: Iterable[Level]) -> list[Level]:
    return sorted(levels, key=lambda level: (isinstance(level, str), level))


def _some(levels: Iterable[Level]) -> str:
    ordered = _ordered(levels)
    return ", ".join(map(str, ordered[:4])) + (", ..." if len(ordered) > 4 else "")


def _and(*levels: Level) -> str:
    return " and ".join(map(str, _ordered(levels)))


def _or(levels: Iterable[Level]) -> str:
    return " or ".join(map(str, _ordered(levels)))
