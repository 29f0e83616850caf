"""What the levels of masks mean where data.mask_values says it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import ImageColor

from pets_seg.data.levels import GREY_TOLERANCE, Level, Levels
from pets_seg.data.mask_threshold import WHITES, near_grey
from pets_seg.data.trimap import BACKGROUND, NOT_COUNTED, PET, MaskRule, count_pixels, joined, some, split_alpha
from pets_seg.errors import InputError, printable

KEY = "data.mask_values"
MEANINGS = {"pet": PET, "background": BACKGROUND, "ignore": NOT_COUNTED}
EXAMPLE = f"e.g. {KEY}='{{pet:[255],ignore:[128]}}'"
COLOURS = f"name colours alone, e.g. {KEY}='{{pet:[\"#ffffff\"]}}'"
CLEAR = "#00000000"
# Data sets of scenes have up to 182 classes; more levels are soft edges, and beside a pet of 255 so are fewer.
MOST_CLASSES = 192
MOST_BESIDE_WHITE = 16


def as_given(masks: Sequence[Levels], given: Mapping[str, Sequence[Any]]) -> MaskRule:
    """Return the rule that `given` says; levels that it does not name are background, unless it names background.

    Where masks are transparent in part, the colours of the opaque part are named, and the rest is background.
    """
    seen = count_pixels(masks)
    colour_of = {level: split_alpha(level)[0] if split_alpha(level)[1] else CLEAR for level in seen}
    masks = [replace(mask, levels=tuple(colour_of[level] for level in mask.levels)) for mask in masks]
    named = {_level(value): MEANINGS[meaning] for meaning, values in given.items() for value in values}
    numbers = [float(value) for values in given.values() for value in values if not isinstance(value, str)]
    by_index = _by_index(masks, named, numbers)
    plain = [replace(mask, levels=mask.indices or mask.levels) if by_index else mask for mask in masks]
    _refuse_other_white(plain, named)
    held = [level for level in count_pixels(plain) if level != CLEAR]
    pet = [level for level, meaning in named.items() if meaning == PET]
    if not any(level in held for level in pet):
        raise InputError(f"{KEY}: no mask holds {joined(pet, 'or')}; they hold {some(held)}")
    unnamed = [level for level in held if level not in named]
    if _are_soft_edges(unnamed, pet):
        raise InputError(
            f"{KEY}: masks also hold {some(unnamed)}, as soft edges do; say from which value on it is pet by "
            "data.mask_threshold instead"
        )
    lossy = next((mask.file for mask in masks if mask.lossy), None)
    if unnamed and ("background" in given or (lossy and len(unnamed) > 1)):
        why = (
            f"a lossy format changes values; for {lossy} give data.mask_threshold"
            if lossy
            else "say what they mean too"
        )
        raise InputError(f"{KEY}: masks also hold {some(unnamed)}; {why}")
    rule = dict.fromkeys([*unnamed, CLEAR], BACKGROUND) | named
    ground = [level for level, meaning in rule.items() if meaning == BACKGROUND and level in held]
    ignored = [level for level, meaning in named.items() if meaning == NOT_COUNTED]
    said = f"{joined(pet)} pet, {some(ground) or 'nothing'} background"
    said += f", {joined(ignored)} not counted" if ignored else ""
    said += ", what is transparent is background" if CLEAR in colour_of.values() else ""
    absent = [level for level in named if level not in held]
    said += f" (no mask holds {joined(absent, 'or')})" if absent else ""
    if by_index:
        return MaskRule(rule, said, by_index=True)
    return MaskRule({level: rule[colour] for level, colour in colour_of.items()}, said)


def _are_soft_edges(unnamed: Sequence[Level], pet: Sequence[Level]) -> bool:
    """Return whether levels that are not named are too many for classes, or nearly the white of pet."""
    numbers = [level for level in unnamed if not isinstance(level, str)]
    colours = [near_grey(level) or 0 for level in unnamed if isinstance(level, str)]
    # Beyond 255 they may be numbers of objects.
    labels = max(numbers, default=0) > 255 and WHITES[-1] not in pet
    if (len(unnamed) > MOST_CLASSES and not labels) or any(number % 1 for number in numbers):
        return True
    return 255 in pet and (len(unnamed) > MOST_BESIDE_WHITE or any(grey > 255 - GREY_TOLERANCE for grey in colours))


def _by_index(masks: Sequence[Levels], named: Mapping[Level, int], numbers: Sequence[float]) -> bool:
    """Return whether the `numbers` among `named` are indices of palettes; InputError where they can be both."""
    painted = [mask for mask in masks if mask.indices and any(isinstance(level, str) for level in mask.levels)]
    different = [mask for mask in masks if mask.indices and mask.indices != mask.levels]
    if not different or not numbers:
        return False
    grey = {level for mask in different for level in mask.levels}
    indices = {index for mask in different for index in mask.indices or ()}
    both = [
        number
        for number in numbers
        for mask in different
        if number in grey & indices
        and [level == number for level in mask.levels] != [index == number for index in mask.indices or ()]
    ]
    if both or len(numbers) < len(named):
        number = (both or numbers)[0]
        raise InputError(
            f"{KEY}: {number:g} could be a grey value of these masks and an index of their palette; {COLOURS}"
        )
    if not painted and grey & {*numbers}:
        return False
    _check_indices(masks)
    return True


def _check_indices(masks: Sequence[Levels]) -> None:
    """Raise InputError unless an index means the same colour in all masks, of which others hold numbers alone."""
    colours: dict[int, tuple[Level, str]] = {}
    for mask in masks:
        if mask.indices is None and any(isinstance(level, str) for level in mask.levels):
            raise InputError(f"{KEY}: {mask.file} has colours and no palette, other masks have palettes; {COLOURS}")
        for index, level in zip(mask.indices or (), mask.levels, strict=False):
            other, file = colours.setdefault(index, (level, mask.file))
            if other != level:
                raise InputError(f"{KEY}: index {index} is {other} in {file} and {level} in {mask.file}; {COLOURS}")


def _refuse_other_white(masks: Sequence[Levels], named: Mapping[Level, int]) -> None:
    """Raise InputError where white is pet, and some masks hold 0 and another white alone, which is not named."""
    pet = [level for level in WHITES if named.get(level) == PET]
    for white in WHITES:
        alone = next((mask.file for mask in masks if {*mask.levels} == {0, white}), None)
        if alone and pet and white not in named:
            raise InputError(
                f"{KEY}: {alone} holds 0 and {white} alone, and {white} is not named; name it too, as pet or as ignore"
            )


def _level(value: Any) -> Level:
    if isinstance(value, str):
        red, green, blue, *_ = channels = ImageColor.getrgb(value)
        if not all(0 <= channel <= 255 for channel in channels):
            raise ValueError("a colour has values from 0 to 255")
        return red if red == green == blue else f"#{red:02x}{green:02x}{blue:02x}"
    return int(value) if value == int(value) else value


def check_mask_values(given: Any) -> None:
    """Raise InputError unless data.mask_values is {pet: [...]} with numbers or colours, or null."""
    if given is None:
        return
    if not isinstance(given, Mapping) or not {*given} <= {*MEANINGS} or not given.get("pet"):
        raise InputError(
            f"{KEY}={printable(given)}: needs the values of pet, and may have background and ignore; {EXAMPLE}"
        )
    named: dict[Level, str] = {}
    for meaning, values in given.items():
        if not isinstance(values, list):
            raise InputError(f"{KEY}: {meaning} must be a list; {EXAMPLE}")
        for value in values:
            try:
                level = _level(value)
            except (ValueError, TypeError, OverflowError):
                raise InputError(
                    f"{KEY}: {printable(value)} is not a number and not a colour such as '#ff0000' or red; {EXAMPLE}"
                ) from None
            if named.setdefault(level, meaning) != meaning:
                raise InputError(f"{KEY}: {level} is given for {named[level]} and for {meaning}")
