"""One readable line for everything that can end a command."""

import os
import re
from typing import Any

import yaml
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from pets_seg.command.spelling import unreadable
from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import OPERATIONS, first_line, sweep_hint, unknown_key
from pets_seg.config.rules import describe
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError, RunError, escaped, nearest

# Read before `pets_seg.run` sets it for its own ends.
traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
DEEP = "recursion depth|recursive aliases|maximum nesting depth"
# What Hydra says of a file whose YAML is in order and whose content is not.
BAD_FILE = "defaults must be a list|Unsupported type in defaults|in '@package|Invalid loaded object type"
# In characters: a value can be long, and a line must show the beginning of it and the rule at the end.
LONGEST_LINE = 900

DEFAULTS = "the first line of such a file is # @package _global_"

# What Hydra says, and what is said instead of the one thing that it names.
LINES = {
    r"(?:Ambiguous value for argument|Sweep parameters) '(.+?)'": (
        "{0}: several values need a sweep: add -m (a setting that takes a list wants it in brackets: [a,b])"
    ),
    r"Sweeping over Hydra's configuration is not supported : '(.+)'": (
        "{0}: a setting of Hydra's cannot be swept over; give one value"
    ),
    r"force-add of config groups is not supported: '\+\+(.+)'": "++{0}: an option is chosen without a +: {0}",
    r"Multiple values for ([\w/@.]+)\.": "{0}: is given more than once; give {0}=... once, without a +",
    r"hydra.searchpath must be a list of strings. Got: (.*)": (
        "hydra.searchpath={0}: expected a list, e.g. hydra.searchpath=[file:///my/conf]"
    ),
    r"Could not append to config. An item is already at '(.+?)'": (
        "+{0}: is there already; write {0}=... without the +"
    ),
}


def exit_code(error: BaseException) -> int:
    """Return 2 for what is known before work starts, 1 for what fails during it."""
    return 2 if isinstance(error, InputError | HydraException | OmegaConfBaseException) else 1


def one_line(error: BaseException) -> str:
    """Return what went wrong, where, what is allowed and the nearest right word, in one line."""
    if isinstance(error, InputError | RunError):
        text = str(error)
    elif isinstance(error, RecursionError) or re.search(DEEP, str(error)):
        text = "a value or an option's file contains itself, or is nested too deeply; write it flat"
    elif isinstance(error, HydraException | OmegaConfBaseException):
        text = _explain(error)
    elif isinstance(error, yaml.YAMLError | UnicodeDecodeError) or re.search(BAD_FILE, str(error)):
        text = f"an option's file cannot be read: {error}; mend it"
    elif match := re.search("provider=hydra.searchpath.*path=(.*) is not available", str(error)):
        text = f"hydra.searchpath: {match[1]} is not there; give a folder as file:///my/conf or a package as pkg://name"
    elif match := re.search(r"No config source registered for schema (.+?),", str(error)):
        text = (
            f"hydra.searchpath: {match[1]}:// is unknown; give a folder as file:///my/conf or a package as pkg://name"
        )
    elif isinstance(error.__cause__, OSError):
        return one_line(error.__cause__)
    elif isinstance(error, OSError) and error.strerror:
        where = error.filename or "the start folder or the output"
        text = f"{where}: cannot be read or written ({error.strerror}); mend that, or use another place"
    else:
        text = f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)"
    text = escaped(" ".join(text.split()))
    half = LONGEST_LINE // 2
    return text if len(text) <= LONGEST_LINE else f"{text[:half]} ... {text[-half:]}"


def _explain(error: BaseException) -> str:
    text = str(error) or str(error.__context__)
    cause = str(error.__cause__ or "")
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        known = ", ".join(error.options)
        own = "; options of your own come through hydra.searchpath=[file:///my/conf]" if group in GROUPS else ""
        return f"{group}={option}: no such option{nearest(option, error.options)}; {group} is one of {known}{own}"
    if isinstance(error, OverrideParseException):
        return unreadable([str(error.override)], 0, text)
    for pattern, line in LINES.items():
        if match := re.search(pattern, text):
            return line.format(match[1])
    if match := re.search(r"Error merging override (.+)", text, re.DOTALL):
        return _wrong_value(match[1], cause)
    if match := re.search(r"Could not (?:override|append to config[^']*|delete[^']*) '?\+*([\w@/.-]+)", text):
        return unknown_key(match[1].partition("=")[0])
    if match := re.search(r"In '(.+?)'.*Key '.+?' not in .*full_key: ([\w.]+)", text, re.DOTALL):
        if match[1].startswith(f"{match[2]}/"):
            return f"{match[1]}: sets keys of {match[2]}; {DEFAULTS}"
        return f"{unknown_key(match[2])} (set in {match[1]})"
    if match := re.search(r"In '(.+?)': Could not load '(.+?)'", text):
        return f"{match[1]}: names {match[2]} among its defaults, which is not there"
    if match := re.search(r"In '(.+?)'.*?raised while composing config:\s(.*)", text, re.DOTALL):
        return _wrong_file(match[1], match[2])
    if match := re.search(r"Missing mandatory value: ([\w.]+)", text):
        return f"{match[1]}: is needed: give {match[1]}=..."
    key = getattr(error, "full_key", None)
    return f"{key}: {first_line(text)}" if key else re.split(r"\s(?:Config search path|full_key):", text)[0]


def _wrong_file(file: str, text: str) -> str:
    """Explain what is wrong with a value that stands in `file`."""
    match = re.search(r"full_key: ([\w.]+)", text)
    key = match[1] if match else ""
    expected = _expected(key)
    reason = first_line(text).removesuffix(".")
    return f"{file}: {key + ': ' if key else ''}{reason}; {f'expected {expected}' if expected else 'mend the file'}"


def _rule(key: str) -> Any:
    """Return the rule of a setting that the package itself reads; None for any other."""
    group, _, name = key.rpartition(".")
    schema = GROUPS[group].schema if group in GROUPS else None if group else Root
    return rules(schema).get(name) if schema else None


def _expected(key: str) -> str | None:
    rule = _rule(key)
    return "a list of operations" if key == "aug.operations" else rule and describe(rule)


def _wrong_value(override: str, cause: str) -> str:
    if override.lstrip("+~").startswith("aug.operations."):
        return f"{override}: {OPERATIONS}"
    if override.startswith("~"):
        return f"{override}: a setting can be changed, not removed"
    key, _, value = override.partition("=")
    key = key.lstrip("+")
    if match := re.search(r"Key '(.+?)' (?:is )?not in", cause):
        return unknown_key(key) if key.endswith(match[1]) else f"{override}: no key {match[1]}"
    if match := re.search(r"expected one of \[(.+?)\]", cause):
        return f"{key}={value}: is one of {match[1]}"
    expected = _expected(key)
    if expected and "is not Optional" in cause:
        expected = expected.removesuffix(" or null")
    expected = expected or "another kind of value; --cfg all shows the one it has now"
    return f"{key}={value}: expected {expected}{sweep_hint(key, value, _rule(key))}"
