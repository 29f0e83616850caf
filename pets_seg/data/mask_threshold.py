"""What the levels of masks mean where data.mask_threshold says it: pet from one grey value on, or from one alpha on."""

from collections.abc import Sequence

from pets_seg.data.levels import GREY_TOLERANCE, Level, Levels
from pets_seg.data.trimap import BACKGROUND, PET, MaskRule, split_alpha
from pets_seg.errors import InputError

KEY = "data.mask_threshold"
# Of red, green and blue, in 65536ths: the luma of ITU-R BT.601, as Pillow takes it.
LUMA = (19595, 38470, 7471)


def by_threshold(masks: Sequence[Levels], threshold: float) -> MaskRule:
    """Return the rule that values from `threshold` on are pet; InputError where masks do not fit it."""
    by_alpha = {_alpha_is_the_mask(mask): mask.file for mask in masks}
    if len(by_alpha) > 1:
        raise InputError(
            f"{KEY}: would apply to the alpha of {by_alpha[True]} and to the grey values of "
            f"{by_alpha[False]}; save the masks without alpha"
        )
    found = {level: _grey(level, *by_alpha) for level in {*()}.union(*(mask.levels for mask in masks))}
    grey = {level: value for level, value in found.items() if value is not None}
    if colour := next((mask.file for mask in masks if not grey.keys() >= {*mask.levels}), None):
        raise InputError(f"{colour}: is a colour picture, to which {KEY} does not apply")
    highest = [max(grey[level] for level in mask.levels) for mask in masks]
    held = f"{min(highest):g} to {max(highest):g} at most"
    if max(highest) < threshold:
        raise InputError(f"{KEY}={threshold:g}: no mask holds so much; they hold {held}")
    # Lossy masks without a pet hold a little noise.
    low = [mask.file for mask, most in zip(masks, highest, strict=True) if most == 1 < threshold and not mask.lossy]
    if low:
        raise InputError(
            f"{KEY}={threshold:g}: {low[0]} holds 0 and 1, other masks {held}, so that its 1 would be "
            "background; save all masks alike"
        )
    if min(grey.values()) >= threshold:
        raise InputError(f"{KEY}={threshold:g}: every pixel of all masks is pet; give a higher value")
    trimap_of = {level: PET if value >= threshold else BACKGROUND for level, value in grey.items()}
    return MaskRule(trimap_of, f"{threshold:g} or more is pet")


def near_grey(level: Level) -> int | float | None:
    """Return the grey value of a level without alpha; None for a colour."""
    if not isinstance(level, str):
        return level
    channels = [*bytes.fromhex(level[1:7])]
    if max(abs(channels[0] - other) for other in channels[1:]) > GREY_TOLERANCE:
        return None
    return (sum(factor * value for factor, value in zip(LUMA, channels, strict=True)) + (1 << 15)) >> 16


def _grey(level: Level, by_alpha: bool) -> int | float | None:
    colour, alpha = split_alpha(level)
    return alpha if by_alpha else near_grey(colour)


def _alpha_is_the_mask(mask: Levels) -> bool:
    """Return whether alpha tells the parts of a grey mask apart; InputError if colours do so too."""
    parts = [split_alpha(level) for level in mask.levels]
    alphas = {alpha for _, alpha in parts}
    if not mask.alpha or (len(alphas) == 1 and alphas != {0}):
        return False
    # Of one colour where it can be seen, or premultiplied.
    if len({colour for colour, alpha in parts if alpha}) <= 1 or all(colour == alpha for colour, alpha in parts):
        return True
    raise InputError(f"{mask.file}: has a transparent part; save the mask without alpha")
