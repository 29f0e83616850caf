"""What is said of a setting that is not there, and of several values where one is wanted."""

import re
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from pets_seg.config.groups import GROUPS
from pets_seg.config.options import known_settings
from pets_seg.config.rules import takes_one
from pets_seg.config.schema import optional
from pets_seg.errors import nearest

OPERATIONS = "is not in this option; --cfg job shows its entries; a parameter that its file does not name takes a +"
NUMBER = r"[+-]?[0-9][0-9_]*"
# In characters. Hydra's parser takes a time that grows with the square of the length.
LONGEST = 10_000


def first_line(text: str) -> str:
    """Return what matters of an error of OmegaConf's: the rest is notes for its developers."""
    line = text.strip().partition("\n")[0]
    return re.sub(r"^\w+ raised while (?:resolving interpolation|composing config): ", "", line)[:200]


def unknown_key(key: str) -> str:
    """Return why `key` cannot be set: it belongs to another option, or is mistyped."""
    group, dot, rest = key.partition(".")
    known = known_settings()
    if key.startswith("aug.operations."):
        return f"{key}: {OPERATIONS}"
    if group.startswith("hydra"):
        return f"{key}: Hydra has no such setting; --cfg hydra shows those it has; a new entry takes a +"
    if dot and key in known:
        if group in GROUPS and rest in optional(GROUPS[group].schema):
            return f"{key}: is not in the file of the {group} chosen; add it there, or write +{key}"
        owners = " or ".join(f"{group}={owner}" for owner in known[key])
        return f"{key}: belongs to {owners}, not to the {group} chosen"
    if dot and group in GROUPS and GROUPS[group].several:
        return f"{key}: no such setting here; choose what it belongs to first: {group}={rest.partition('.')[0]}"
    kind = "setting" if dot and group in GROUPS else "group or setting"
    return f"{key}: no such {kind}{nearest(key, [*GROUPS, *known])}; --help lists them"


def sweep_hint(key: str, value: str, rule: Any) -> str:
    """Return how to sweep over `value`, if it is several of which a setting of this rule takes one, or nothing."""
    return meant_as_sweep(key, value) if takes_one(rule) and (key == "seed" or "." in key) else ""


def meant_as_sweep(key: str, value: str) -> str:
    """Return "; ... sweeps over them" if `value` is several numbers or words, such as 0-2 or [a,b]; or nothing."""
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
    try:
        return len(text) <= LONGEST and bool(OverridesParser.create().parse_overrides([text]))
    # It may hold numbers too large for Python, or nest too deeply.
    except Exception:
        return False
