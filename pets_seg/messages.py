"""One readable line for everything that can end a command."""

import os
import re
from difflib import get_close_matches

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from pets_seg.config import SCHEMAS, settings
from pets_seg.errors import InputError, RunError, escaped
from pets_seg.help import GROUPS

# Read before `pets_seg.run` sets it for its own ends.
traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
TYPES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a word",
    list[float]: "a list of numbers",
}

OPERATIONS = "is not in this option; --cfg job shows its entries; a parameter that its file does not name takes a +"


def exit_code(error: BaseException) -> int:
    """Return 2 for what is known before work starts, 1 for what fails during it."""
    return 2 if isinstance(error, InputError | HydraException | OmegaConfBaseException) else 1


def one_line(error: BaseException) -> str:
    """Return what went wrong, where, what is allowed and the nearest right word, in one line."""
    if isinstance(error, InputError | RunError):
        text = str(error)
    elif isinstance(error, HydraException | OmegaConfBaseException):
        text = _explain(error)
    elif isinstance(error, OSError) and error.filename:
        text = f"{error.filename}: {error.strerror} (HYDRA_FULL_ERROR=1 shows where)"
    else:
        text = f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)"
    return escaped(" ".join(text.split()))


def nearest(word: str, known: list[str]) -> str:
    """Return " (did you mean X?)" or nothing."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def _explain(error: BaseException) -> str:
    text = str(error)
    cause = str(error.__cause__ or "")
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        known = ", ".join(error.options)
        return f"{group}={option}: no such option{nearest(option, error.options)}; {group} is one of {known}"
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override}: cannot be read; write key=value, a value with = or spaces in quotes, "
            f"e.g. 'checkpoint=\"runs/a=b\"'"
        )
    if match := re.search(r"Ambiguous value for argument '(.+?)'", text):
        return f"{match[1]}: several values need a sweep: add -m (or write [a,b] for one list)"
    if match := re.search(r"Error merging override (.+)", text):
        return _wrong_value(match[1], cause)
    if match := re.search(r"Could not (?:override|append to config[^']*|delete[^']*) '?\+*([\w@/.-]+)", text):
        return _unknown_key(match[1].partition("=")[0], cause)
    if match := re.search(r"In '(.+?)'.*Key '.+?' not in .*full_key: ([\w.]+)", text, re.DOTALL):
        return f"{_unknown_key(match[2], cause)} (set in {match[1]})"
    if match := re.search(r"Missing mandatory value: ([\w.]+)", text):
        return f"{match[1]}: is needed: give {match[1]}=..."
    return text


def _wrong_value(override: str, cause: str) -> str:
    if override.lstrip("+~").startswith("aug.operations."):
        return f"{override}: {OPERATIONS}"
    if override.startswith("~"):
        return f"{override}: a setting can be changed, not removed"
    key, _, value = override.partition("=")
    key = key.lstrip("+")
    if match := re.search(r"Key '(.+?)' (?:is )?not in", cause):
        return _unknown_key(key, cause) if key.endswith(match[1]) else f"{override}: no key {match[1]}"
    expected = settings().get(key, {}).get("type")
    return f"{key}={value}: expected {TYPES.get(expected, 'another kind of value')}"


def _unknown_key(key: str, cause: str) -> str:
    if key.startswith("aug.operations."):
        return f"{key}: {OPERATIONS}"
    known = settings()
    if key in known:
        group, _, name = key.rpartition(".")
        owners = [option for option, schema in SCHEMAS[group].items() if name in schema.__dataclass_fields__]
        return f"{key}: belongs to {' or '.join(f'{group}={owner}' for owner in owners)}, not to the {group} chosen"
    group = key.partition(".")[0]
    if group in GROUPS and "." in key:
        siblings = ", ".join(other for other in known if other.startswith(f"{group}.")) or "nothing that can be set so"
        return f"{key}: no such setting{nearest(key, list(known))}; {group} has {siblings}"
    words = [*GROUPS, *known]
    return f"{key}: no such group or setting{nearest(key, words)}; --help lists them"
