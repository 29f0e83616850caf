"""What folders and lists of a split are called, and what else looks like the name of one."""

import re
from collections.abc import Collection, Iterable

from pets_seg.errors import InputError, printable

# By other programs too.
ALIASES = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing"),
}
SPLIT_OF = {alias: split for split, aliases in ALIASES.items() for alias in aliases}
# Words of names such as train2017, testA, TRAINSET or hold-out.
ALIKE = re.compile(
    r"\b(?:(?P<train>train|training|trainval|trn)|(?P<valid>val|valid|validation|validate|dev|devel|development)"
    r"|(?P<test>test|testing|tst|eval|evaluation|hold ?out))(?:set|split|data|images?|imgs?|pictures?|pics?)?\b"
)
GAP = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])")


def split_like(name: str) -> str | None:
    """Return the split that the name of a folder suggests, None if it suggests none."""
    found = ALIKE.search(GAP.sub(" ", name).lower())
    return found.lastgroup if found else None


def refuse_unused(folders: Iterable[str], used: Collection[str], where: str, advice: str) -> None:
    """Raise InputError if names in these paths suggest several splits, one of which is not among those in use."""
    found: dict[str, str] = {}
    for folder in sorted({*folders}):
        parts = folder.split("/")
        for depth, part in enumerate(parts, 1):
            if split := split_like(part):
                found.setdefault(split, "/".join(parts[:depth]))
    if len(found) > 1 and not {*found} <= {*used}:
        named = " and ".join(map(printable, found.values()))
        raise InputError(
            f"data=folder: {named} in {where} look like splits and are not used as such; "
            f"name them train, valid and test{advice}"
        )
