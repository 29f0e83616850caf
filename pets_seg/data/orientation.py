"""Orientation tags of pictures and masks: which way a pair is turned, and whether its files agree on that."""

from collections.abc import Iterable

from PIL import ExifTags, Image

from pets_seg.errors import InputError, printable

SIDEWAYS = {5, 6, 7, 8}
# What undoes the turn that an orientation asks for.
TURN_BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
# How the tags of a pair were used: by the one way in which the mask fits its image, or turned where both do.
UNTAGGED, TURNED, STORED, EITHER = "", "fits turned only", "fits as stored only", "fits both ways"
MASK_TURNED = "mask turned by its own tag"


def orientation(file: Image.Image) -> int:
    """Return the orientation that a file's tag gives, 1 for none and for what is no orientation."""
    tag = file.getexif().get(ExifTags.Base.Orientation, 1)
    return tag if tag in TURN_BACK else 1


def tags_used(tag: int, turned: tuple[int, int], mask_tag: int, mask_size: tuple[int, int]) -> str:
    """Return how to use the tag of an image that has the size `turned` after it is turned by it.

    `mask_size` is the mask's after it is turned by its own tag, if it has one; then it must fit the turned image.
    """
    if mask_tag != 1:
        return MASK_TURNED
    if tag == 1:
        return UNTAGGED
    stored = turned[::-1] if tag in SIDEWAYS else turned
    if not same_shape(stored, mask_size):
        return TURNED
    return EITHER if same_shape(turned, mask_size) else STORED


def check_tags(pairs: Iterable[tuple[str, str]]) -> None:
    """Raise InputError if masks drawn on stored pixels are among others of which that cannot be known.

    A pair is its name with how its tags were used.
    """
    by_use: dict[str, list[str]] = {}
    for name, used in pairs:
        by_use.setdefault(used, []).append(name)
    stored, either = by_use.get(STORED, []), by_use.get(EITHER, [])
    if stored and either:
        raise InputError(
            f"{len(stored)} of the pictures with an orientation tag fit their masks only without it, e.g. "
            f"{printable(stored[0])}, and {len(either)} with and without it, e.g. {printable(either[0])}, so that it "
            "is not clear which way the masks were drawn; save the pictures without such tags, each as its mask is"
        )


def turned_masks(used: Iterable[str]) -> list[str]:
    """Return a line that says how many masks are turned by their own tags, if there are any."""
    count = sum(use == MASK_TURNED for use in used)
    if not count:
        return []
    turned = f"{count} masks are turned by orientation tags" if count > 1 else "1 mask is turned by an orientation tag"
    return [f"{turned} of {'their' if count > 1 else 'its'} own, as images are; save masks drawn upright without tags"]


def same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether one is the other scaled by a factor, each side rounded in one of the usual ways."""
    return size == other or _is_scaled(size, other) or _is_scaled(other, size)


def _is_scaled(size: tuple[int, int], other: tuple[int, int]) -> bool:
    for low, high in ((-0.5, 0.5), (0, 1), (-1, 0)):
        bounds = [((new + low) / old, (new + high) / old) for old, new in zip(size, other, strict=True)]
        if max(low for low, _ in bounds) < min(high for _, high in bounds):
            return True
    return False
