"""What the levels of masks mean, decided once for all masks of a source."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pets_seg.config.schema import IGNORED
from pets_seg.data.levels import Level, Levels
from pets_seg.data.mask_hints import unclear
from pets_seg.data.mask_threshold import LEAST_OF_LOSSY, by_threshold
from pets_seg.data.mask_values import as_given
from pets_seg.data.pairs import Source
from pets_seg.data.trimap import (
    BACKGROUND,
    NOT_COUNTED,
    PET,
    TRIMAP,
    MaskRule,
    count_pixels,
    fixed_rule,
    joined,
    split_alpha,
)
from pets_seg.errors import InputError

NOISY = (
    "is grey with the noise of a lossy format in its colours; save masks as PNG without it, or say from which value on "
    "it is pet, e.g. data.mask_threshold=128"
)
# White, by the type of the file.
WHITE = {255, 65535}
# Uncertain margins are thinner than what they surround; more is a mask of 0 and 255 with a stray 1.
MOST_UNCERTAIN = 4
# A mask of 0 and 255 may hold so many times the margin of masks with a pet; more is a pet.
MOST_ALONE = 2


def rule_of(source: Source, masks: Sequence[Levels]) -> MaskRule:
    """Return what the levels of `masks`, all that a source has, mean: what it says itself, or what they hold decides.

    Raises InputError as `decide` does.
    """
    if source.trimaps:
        return MaskRule(TRIMAP, "", by_index=True)
    if source.mask_values is not None:
        return fixed_rule(source.mask_values)
    return decide(masks, source.named_values, source.threshold)


def decide(masks: Sequence[Levels], given: Mapping[str, Sequence[Any]] | None, threshold: float | None) -> MaskRule:
    """Return the rule for all `masks`; InputError if what they hold can be read in more than one way.

    Without `given` (data.mask_values), 0 and black are background: see docs/data.md for what is read how.
    """
    if not masks:
        return MaskRule({}, "")
    if threshold is not None:
        return by_threshold(masks, threshold)
    if noisy := [mask for mask in masks if mask.noisy]:
        rule = decide([mask for mask in masks if not mask.noisy], given, threshold)
        return replace(rule, refused=dict.fromkeys(noisy, NOISY))
    seen = count_pixels(masks)
    alphas = {split_alpha(level)[1] for level in seen}
    if len(alphas) == 1 and alphas != {255}:
        # Alpha that is the same everywhere says nothing.
        opaque = [replace(mask, levels=tuple(split_alpha(level)[0] for level in mask.levels)) for mask in masks]
        rule = decide(opaque, given, threshold)
        return replace(rule, trimap_of={level: rule.trimap_of[split_alpha(level)[0]] for level in seen})
    if given is not None:
        return as_given(masks, given)
    _refuse_lossy(masks)
    found = _by_alpha(masks, seen) if len(alphas) > 1 else _by_look(masks, seen) or _by_index(masks)
    if found is None:
        raise InputError(unclear(masks, seen))
    return found


def _refuse_lossy(masks: Sequence[Levels]) -> None:
    """Raise InputError where all masks in a lossy format hold low values alone, be it beside masks in others."""
    lossy = [mask for mask in masks if mask.lossy]
    levels = {level for mask in lossy for level in mask.levels}
    if lossy and all(not isinstance(level, str) and level < LEAST_OF_LOSSY for level in levels):
        raise InputError(
            f"masks hold values up to {max(levels)} in a lossy format ({lossy[0].file}), which does not keep them "
            "apart; save masks as PNG"
        )


def _by_look(masks: Sequence[Levels], seen: Counter[Level]) -> MaskRule | None:
    """Return the rule that grey values and colours suggest, or None if there is none, or more than one."""
    levels = {*seen}
    others = levels - {0}
    # Two indices of the same colour may mean two things.
    if any(mask.indices and len({*mask.levels}) < len(mask.levels) for mask in masks):
        return None
    # Classes 1, 2 and 3 are not all in one mask, while a trimap has its boundary between the others.
    if levels == {1, 2, 3} and any({*mask.levels} == levels for mask in masks):
        return MaskRule(TRIMAP, "1 pet, 2 background, 3 boundary")
    if any(not isinstance(level, str) and level < 0 for level in levels) or 0 not in levels:
        return None
    if len(others) <= 1 or (others == WHITE and not any({*mask.levels} >= WHITE for mask in masks)):
        return MaskRule({0: BACKGROUND, **dict.fromkeys(others, PET)}, joined({0, *others}))
    if others == {1, IGNORED}:
        beside, alone = _uncertain(masks)
        if beside and alone <= MOST_ALONE * beside and seen[IGNORED] <= MOST_UNCERTAIN * seen[1]:
            return MaskRule({0: BACKGROUND, 1: PET, IGNORED: NOT_COUNTED}, "0 and 1, 255 not counted")
    return None


def _uncertain(masks: Sequence[Levels]) -> tuple[float, float]:
    """Return the greatest share of 255 in a mask that also holds 1, and in one that does not."""
    shares = [0.0, 0.0]
    for mask in masks:
        of_level = dict(zip(mask.levels, mask.counts, strict=True))
        place = int(1 not in of_level)
        shares[place] = max(shares[place], of_level.get(IGNORED, 0) / sum(mask.counts))
    return shares[0], shares[1]


def _by_index(masks: Sequence[Levels]) -> MaskRule | None:
    """Return the rule that the indices of palettes suggest, where the colours that they paint decide nothing."""
    colours: dict[int, Level] = {}
    for mask in masks:
        for index, level in zip(mask.indices or (), mask.levels, strict=False):
            if colours.setdefault(index, level) != level:
                return None
    if not all(mask.indices for mask in masks):
        return None
    plain = [replace(mask, levels=mask.indices or (), indices=None) for mask in masks]
    rule = _by_look(plain, count_pixels(plain))
    if rule is None:
        return None
    black = {index for index, level in colours.items() if level == 0}
    ground = {index for index in colours if rule.trimap_of[index] == BACKGROUND}
    # Where black means something else, indices and colours contradict each other; without black, 0 is any colour.
    painted = black <= ground and not (0 in colours and 0 not in black)
    # A palette that paints everything black has no colours to contradict.
    if not painted and black != colours.keys():
        return None
    return MaskRule(rule.trimap_of, f"palette indices {rule.said}", by_index=True)


def _by_alpha(masks: Sequence[Levels], seen: Counter[Level]) -> MaskRule:
    """Return the rule for masks that are transparent in part: alpha decides unless colours say something else."""
    parts = {level: split_alpha(level) for level in seen}
    alphas = sorted({alpha for _, alpha in parts.values()})
    visible = {colour for colour, alpha in parts.values() if alpha}
    premultiplied = all(colour == alpha for colour, alpha in parts.values())
    opaque = next((mask.file for mask in masks if not mask.alpha), None)
    if opaque:
        raise InputError(f"some masks are transparent in part, and {opaque} has no alpha; save all without alpha")
    if len({colour for colour, _ in parts.values()}) > 1 and not premultiplied:
        colours = [replace(mask, levels=tuple(parts[level][0] for level in mask.levels)) for mask in masks]
        by_colour = _by_look(colours, count_pixels(colours))
        agrees = by_colour and all(
            (by_colour.trimap_of[colour] == PET) == bool(alpha) for colour, alpha in parts.values()
        )
        if (by_colour and not agrees) or (not by_colour and len(visible) > 1):
            raise InputError(
                f"masks have a transparent part that says other than their colours ({masks[0].file}); "
                "save them without alpha, or name the colours of the opaque part by data.mask_values"
            )
    if len(alphas) > 2 or alphas[0] != 0:
        raise InputError(
            f"masks have {len(alphas)} degrees of transparency from {alphas[0]} to {alphas[-1]} "
            f"({masks[0].file}); say from which alpha on it is pet, e.g. data.mask_threshold=128"
        )
    trimap_of = {level: PET if alpha else BACKGROUND for level, (_, alpha) in parts.items()}
    return MaskRule(trimap_of, f"alpha {joined(alphas)}")
