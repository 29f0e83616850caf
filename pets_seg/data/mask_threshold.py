"""What the levels of masks mean where data.mask_threshold says it: pet from one grey value on, or from one alpha on."""

from collections.abc import Sequence

from pets_seg.data.levels import GREY_TOLERANCE, Level, Levels
from pets_seg.data.trimap import BACKGROUND, PET, MaskRule, split_alpha
from pets_seg.errors import InputError

KEY = "data.mask_threshold"
# Of red, green and blue, in 65536ths: the luma of ITU-R BT.601, as Pillow takes it.
LUMA = (19595, 38470, 7471)
# Lossy formats keep no difference between levels that are closer.
LEAST_OF_LOSSY = 32
# What white is in masks of one range or another.
WHITES = (1, 255, 65535)


def by_threshold(masks: Sequence[Levels], threshold: float) -> MaskRule:
    """Return the rule that values from `threshold` on are pet; InputError where masks do not fit it."""
    refused = {mask: reason for mask in masks if (reason := _unfit(mask))}
    masks = [mask for mask in masks if mask not in refused] if refused else masks
    if not masks:
        return MaskRule({}, "", refused=refused)
    by_alpha = {_alpha_is_the_mask(mask): mask.file for mask in masks}
    if len(by_alpha) > 1:
        raise InputError(
            f"{KEY}: would apply to the alpha of {by_alpha[True]} and to the grey values of "
            f"{by_alpha[False]}; save the masks without alpha"
        )
    levels: set[Level] = set().union(*(mask.levels for mask in masks))
    grey = {level: split_alpha(level)[1] if True in by_alpha else near_grey(level) or 0 for level in levels}
    highest = [max(grey[level] for level in mask.levels) for mask in masks]
    _check(masks, highest, threshold)
    if min(grey.values()) >= threshold:
        raise InputError(f"{KEY}={threshold:g}: every pixel of all masks is pet; give a higher value")
    trimap_of = {level: PET if value >= threshold else BACKGROUND for level, value in grey.items()}
    said = f"{threshold:g} or more is pet"
    # They may be masks without a pet, or masks of other values than the threshold was meant for.
    faint = [(most, mask.file) for mask, most in zip(masks, highest, strict=True) if 0 < most < threshold]
    if faint:
        said += f", {len(faint)} of {len(masks)} masks hold less and have none ({max(faint)[0]:g} in {max(faint)[1]})"
    return MaskRule(trimap_of, said, refused=refused)


def _check(masks: Sequence[Levels], highest: Sequence[float], threshold: float) -> None:
    """Raise InputError for a threshold that cannot be right for masks of these `highest` values."""
    held = f"{min(highest):g} to {max(highest):g} at most"
    if max(highest) < threshold:
        raise InputError(f"{KEY}={threshold:g}: no mask holds so much; they hold {held}")
    whites = {
        (mask.depth, next((white for white in WHITES if most <= white), most)): (mask.file, most)
        for mask, most in zip(masks, highest, strict=True)
        if most
    }
    if len({depth for depth, _ in whites}) > 1 and len({white for _, white in whites}) > 1:
        (one, (file, most)), *more = whites.items()
        other, (another, greatest) = next(item for item in more if item[0][0] != one[0])
        raise InputError(
            f"{KEY}={threshold:g}: {file} holds {one[0]} values up to {most:g} and {another} {other[0]} values up to "
            f"{greatest:g}, which mean different things; save all masks alike"
        )
    # From 1 on, they may be numbers of animals, of which some masks have many.
    read_alike = {white: seen for (_, white), seen in whites.items() if seen[1] >= threshold != 1}
    if len(read_alike) > 1:
        (file, most), (another, greatest), *_ = read_alike.values()
        raise InputError(
            f"{KEY}={threshold:g}: {file} holds values up to {most:g} and {another} up to {greatest:g}, which mean "
            "different things; save all masks alike"
        )
    lossy = next((mask.file for mask in masks if mask.lossy), None)
    if lossy and threshold < LEAST_OF_LOSSY:
        raise InputError(
            f"{KEY}={threshold:g}: {lossy} is in a lossy format, which makes values up to {LEAST_OF_LOSSY} where there "
            "were none; give a higher value, or save masks as PNG"
        )
    # Lossy masks without a pet hold a little noise.
    low = [mask.file for mask, most in zip(masks, highest, strict=True) if most == 1 < threshold and not mask.lossy]
    if low:
        raise InputError(
            f"{KEY}={threshold:g}: {low[0]} holds 0 and 1, other masks {held}, so that its 1 would be "
            "background; save all masks alike"
        )


def _unfit(mask: Levels) -> str | None:
    """Return why no threshold applies to a mask: it is neither grey nor of one colour that is transparent in part."""
    if _alpha_is_the_mask(mask):
        return None
    parts = [split_alpha(level) for level in mask.levels]
    if len({alpha for _, alpha in parts}) > 1:
        return "has a transparent part; save the mask without alpha"
    if any(near_grey(colour) is None for colour, _ in parts):
        return f"is a colour picture, to which {KEY} does not apply; save it in grey"
    return None


def near_grey(level: Level) -> int | float | None:
    """Return the grey value of a level, whatever its alpha; None for a colour."""
    if not isinstance(level, str):
        return level
    channels = [*bytes.fromhex(level[1:7])]
    if max(abs(channels[0] - other) for other in channels[1:]) > GREY_TOLERANCE:
        return None
    return (sum(factor * value for factor, value in zip(LUMA, channels, strict=True)) + (1 << 15)) >> 16


def _alpha_is_the_mask(mask: Levels) -> bool:
    """Return whether alpha, and not colours, tells the parts of a mask apart."""
    parts = [split_alpha(level) for level in mask.levels]
    alphas = {alpha for _, alpha in parts}
    if not mask.alpha or (len(alphas) == 1 and alphas != {0}):
        return False
    # Of one colour where it can be seen, or premultiplied.
    return len({colour for colour, alpha in parts if alpha}) <= 1 or all(colour == alpha for colour, alpha in parts)
