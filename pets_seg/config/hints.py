"""What is said of a setting that is not there, and of several values where one is wanted."""

import re
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from pets_seg.config.groups import GROUPS
from pets_seg.config.options import known_settings
from pets_seg.config.rules import takes_one
from pets_seg.errors import nearest

OPERATIONS = "is not in this option; --cfg job shows its entries; a parameter that its file does not name takes a +"


def first_line(text: str) -> str:
    """Return what matters of an error of OmegaConf's: the rest is notes for its developers."""
    line = text.strip().partition("\n")[0]
    return re.sub(r"^\w+ raised while (?:resolving interpolation|composing config): ", "", line)[:200]


def sweep_hint(key: str, value: str, rule: Any) -> str:
    """Return how to sweep over `value`, if it is several of which a setting of this rule takes one, or nothing."""
    one = rule is not None and takes_one(rule) and (key == "seed" or "." in key)
    return meant_as_sweep(key, value) if one else ""


def unknown_key(key: str) -> str:
    """Return why `key` cannot be set: it is another option's, or mistyped."""
    if key.startswith("aug.operations."):
        return f"{key}: {OPERATIONS}"
    if key.startswith("hydra"):
        return f"{key}: Hydra has no such setting; --cfg hydra shows those it has; a new entry takes a +"
    known = known_settings()
    group = key.rpartition(".")[0]
    if key in known and group:
        owners = " or ".join(f"{group}={owner}" for owner in known[key])
        return f"{key}: belongs to {owners}, not to the {group} chosen"
    group = key.partition(".")[0]
    if group in GROUPS and "." in key:
        if GROUPS[group].several:
            return f"{key}: no such setting here; choose what it belongs to first: {group}={key.split('.')[1]}"
        siblings = ", ".join(other for other in known if other.startswith(f"{group}.")) or "nothing that can be set so"
        return f"{key}: no such setting{nearest(key, list(known))}; {group} has {siblings}"
    words = [*GROUPS, *known]
    return f"{key}: no such group or setting{nearest(key, words)}; --help lists them"


NUMBER = r"[+-]?[0-9][0-9_]*"
# In characters; trying what was meant takes a time that grows with the square of the length.
LONGEST = 500


def meant_as_sweep(key: str, value: str) -> str:
    """Return "; ... sweeps" if `value`, where one of another kind is wanted, is several in a wrong form, or nothing."""
    if match := re.fullmatch(rf"({NUMBER})\s*(?:-|:|\.{{2,3}})\s*({NUMBER})", value):
        meant = f"{key}=range({int(match[1])},{int(match[2]) + 1})"
    else:
        inner = re.sub(r"""^[\[({"']+|[\])}"']+$""", "", value)
        items = [item.strip() for item in re.split(r"[,;|]", inner)]
        if len(items) < 2 or not all(re.fullmatch(r"[\w.+-]+", item) for item in items):
            return ""
        meant = f"{key}={','.join(items)}"
    return f"; {meant} sweeps over them (with -m)" if readable(meant) else ""


def readable(text: str) -> bool:
    """Return whether Hydra can read `text` as one override."""
    if len(text) > LONGEST:
        return False
    try:
        return bool(OverridesParser.create().parse_overrides([text]))
    except (OverrideParseException, ValueError, ArithmeticError, RecursionError):
        return False
