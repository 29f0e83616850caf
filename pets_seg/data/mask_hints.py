"""What is said of masks that can be read in more than one way: what they hold, and the setting that decides."""

from collections import Counter
from collections.abc import Sequence

from pets_seg.config.schema import IGNORED
from pets_seg.data.levels import Level, Levels
from pets_seg.data.mask_threshold import near_grey
from pets_seg.data.trimap import ordered, some

# More levels are no classes, but soft edges or numbers of objects.
MOST_CLASSES = 16


def unclear(masks: Sequence[Levels], seen: Counter[Level]) -> str:
    """Return why the rule for `masks` is unclear, with a setting that makes sense for what they hold."""
    lossy = next((mask.file for mask in masks if mask.lossy and len(mask.levels) > 2), None)
    numbers = [level for level in seen if not isinstance(level, str)]
    grey = {level: near_grey(level) for level in seen}
    if len(numbers) < len(seen) and None not in grey.values() and not all(mask.indices for mask in masks):
        # Grey masks that were saved in colour: JPEG makes their channels differ a little.
        highest = max(value or 0 for value in grey.values())
        return f"masks hold colours that are nearly grey; {_threshold(masks, highest, lossy)}"
    held = f"masks hold {some(seen)}"
    if len(numbers) < len(seen) and (lossy or len(seen) > MOST_CLASSES):
        cause = f"a lossy format makes such colours ({lossy})" if lossy else f"{_example(masks)} has soft edges"
        return f"{held}; {cause}: save masks as PNG without them, in black and one other colour"
    if lossy or len(seen) > MOST_CLASSES or any(level % 1 for level in numbers):
        return f"{held}; {_many(masks, numbers, lossy)}"
    if all(mask.indices for mask in masks) and len(numbers) < len(seen):
        held = f"masks hold the colours {some(seen)}"
    known = "background is 0 or black and pet one other value, or 1, 2 and 3 are a trimap's"
    return (
        f"{held} ({_examples(masks)}), which could mean several things ({known}); "
        f"say which value is pet, e.g. data.mask_values='{_values(masks, seen)}'"
    )


def _many(masks: Sequence[Levels], numbers: Sequence[int | float], lossy: str | None) -> str:
    highest, whole = max(numbers), not any(number % 1 for number in numbers)
    if not lossy and highest < 128 and whole:
        return (
            f"where these are the numbers of animals, data.mask_threshold=1 makes all of them pet ({_example(masks)}); "
            "where they are classes, name those of pets by data.mask_values"
        )
    wide = highest > 255 and whole
    animals = ", or data.mask_threshold=1 where these are the numbers of animals" if wide else ""
    return _threshold(masks, highest, lossy) + animals


def _threshold(masks: Sequence[Levels], highest: int | float, lossy: str | None) -> str:
    half = f"{highest / 2:.2g}" if highest <= 1 else f"{(highest + 1) // 2:g}"
    if lossy:
        cause = f"a lossy format as JPEG makes such values ({lossy}): save masks as PNG, or say"
    else:
        cause = f"{_example(masks)} has soft edges; say"
    return f"{cause} from which value on it is pet, e.g. data.mask_threshold={half}"


def _values(masks: Sequence[Levels], seen: Counter[Level]) -> str:
    others = [level for level in ordered(seen) if level != 0]
    pet: list[Level]
    ignored: list[Level] = []
    alone = {level for mask in masks for level in mask.levels if level and {*mask.levels} <= {0, level}}
    if len(alone) > 1 and not any(len({*mask.levels} - {0}) > 1 for mask in masks):
        # One value in some files, another in others.
        pet = [level for level in others if level in alone]
    elif 255 in others and 1 in others and {1, IGNORED} <= alone:
        pet = [1, 255]
    elif 255 in others and 0 in seen and 1 not in others:
        pet, ignored = [255], [level for level in others if level != 255]
    else:
        pet = [others[0] if others else 0]
    # Beside colours of a palette, a number is one of its indices.
    painted = any(isinstance(level, str) for level in seen) and any(mask.indices for mask in masks)
    groups = {"pet": pet, "ignore": ignored}
    parts = [
        f"{key}:[{','.join(_quoted(level, painted) for level in group)}]" for key, group in groups.items() if group
    ]
    return "{" + ",".join(parts) + "}"


def _quoted(level: Level, as_colour: bool) -> str:
    if isinstance(level, str):
        return f'"{level}"'
    return f'"#{level:02x}{level:02x}{level:02x}"' if as_colour else str(level)


def _example(masks: Sequence[Levels]) -> str:
    return max(masks, key=lambda mask: len(mask.levels)).file


def _examples(masks: Sequence[Levels]) -> str:
    """Return an example of each set of levels, two at most."""
    kinds = {frozenset(mask.levels): mask.file for mask in reversed(masks) if len(mask.levels) > 1 or len(masks) == 1}
    return ", ".join(f"{some(kind)} in {file}" for kind, file in list(kinds.items())[:2]) or masks[0].file
