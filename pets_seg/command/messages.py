"""The boundary of the command line: whatever ends a command becomes one line and an exit code."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from pets_seg.command.arguments import key_of, typed
from pets_seg.command.quoting import one_value
from pets_seg.command.spelling import is_path, unreadable
from pets_seg.config.checks import check_setting
from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import OPERATIONS, first_line, unknown_key
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError, RunError, escaped, nearest
from pets_seg.machine.world import begun_by_torchrun, this_world

# Read before `pets_seg.run` sets it for its own ends.
traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
# In characters: a value can be long, and a line must show the beginning of it and the rule at the end.
LONGEST_LINE = 900
# What Hydra says, and what is said instead of the one thing that it names.
SWEEP = r"(?:Ambiguous value for argument|Sweep parameters) '(.+?)'(?:\n| requires)"
LINES = {
    r"Multiple values for ([\w/@.]+)\.": "{0}: is given more than once; give {0}=... once, without a +",
    r"Could not append to config. An item is already at '(.+?)'": "+{0}: is there; write {0}=... without the +",
    r"Missing mandatory value: ([\w.]+)": "{0}: is needed: give {0}=...",
}


@contextmanager
def boundary(code: int | None = None, silent: bool = False) -> Iterator[None]:
    """End the process with one line on standard error where an exception leaves the block.

    The exit code is `code`, or else that of the exception. Of several processes rank 0 reports what every rank raises.
    """
    try:
        yield
    except Exception as error:
        if not silent or traceback_wanted:
            report(error)
        sys.exit(code or exit_code(error))


def report(error: Exception) -> None:
    """Print the one line of what ended a command, or its traceback, on standard error."""
    if traceback_wanted:
        traceback.print_exception(error)
    elif heard():
        print(one_line(error), file=sys.stderr)


def heard() -> bool:
    """Return whether this process reports what ends a command."""
    try:
        return this_world().first or not begun_by_torchrun()
    except InputError:
        # Where torchrun's variables are wrong, no process knows its rank.
        return True


def exit_code(error: BaseException) -> int:
    """Return 2 for what is known before work starts, 1 for what fails during it."""
    return 2 if isinstance(error, InputError | HydraException | OmegaConfBaseException) else 1


def one_line(error: BaseException) -> str:
    """Return what went wrong, where, what is allowed and the nearest right word, in one line."""
    if isinstance(error, InputError | RunError):
        text = str(error)
    elif isinstance(error, HydraException | OmegaConfBaseException):
        text = _explain(error)
    elif isinstance(error, yaml.YAMLError | UnicodeDecodeError):
        text = f"an option's file cannot be read: {error}; mend it"
    elif match := re.search("provider=hydra.searchpath.*path=(.*) is not available", str(error)):
        text = f"hydra.searchpath: {match[1]} is not there; give a folder as file:///my/conf or a package as pkg://name"
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


def _explain(error: HydraException | OmegaConfBaseException) -> str:
    """Return what is said of an error of Hydra's or OmegaConf's; their own words where there is nothing better."""
    text = str(error) or str(error.__context__)
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        own = "; options of your own come through hydra.searchpath=[file:///my/conf]" if group in GROUPS else ""
        known = ", ".join(error.options)
        return f"{group}={option}: no such option{nearest(option, error.options)}; {group} is one of {known}{own}"
    if isinstance(error, OverrideParseException):
        return unreadable([str(error.override)], 0)
    if match := re.search(SWEEP, text):
        return _several_values(match[1])
    for pattern, line in LINES.items():
        if match := re.search(pattern, text):
            return line.format(match[1])
    if match := re.search(r"Error merging override (.+)", text, re.DOTALL):
        return _wrong_value(match[1], str(error.__cause__ or ""))
    if match := re.search(r"Could not (?:override|append to config[^']*|delete[^']*) '?\+*([\w@/.-]+)", text):
        return _not_there(match[1].partition("=")[0])
    if match := re.search(r"In '(.+?)'.*?raised while composing config:\s(.*?)\n.*full_key: ([\w.]+)", text, re.DOTALL):
        file, reason, key = match.groups()
        if file.startswith(f"{key}/"):
            return f"{file}: sets keys below {key}; make # @package _global_ the first line of the file"
        return f"{unknown_key(key)} (set in {file})" if " not in " in reason else f"{file}: {key}: {reason}"
    key = getattr(error, "full_key", None)
    return f"{key}: {first_line(text)}" if key else re.split(r"\s(?:Config search path|full_key):", text)[0]


def _not_there(key: str) -> str:
    """Explain a setting that the options chosen do not have; a sweep over studies begins with the default options."""
    line, group = unknown_key(key), key.partition(".")[0]
    swept = next((word for word in typed if re.match(r"experiment=[^,]*,", word)), None)
    if swept and group in GROUPS and "belongs to" in line:
        return f"{line}; what the files of {swept} choose is known in the jobs alone, so give {group}=... too"
    return line


def _several_values(override: str) -> str:
    """Explain a word with several values outside a sweep, which may be a path that has commas."""
    # As it was typed, without the quotes that Hydra got.
    word = next((word for word in typed if key_of(word) == key_of(override)), override)
    line = f"{word}: several values need a sweep: add -m (a setting that takes a list wants it in brackets: [a,b])"
    return f"{line}; one path with commas is written {shlex.quote(one_value(word))}" if is_path(word) else line


def _wrong_value(override: str, cause: str) -> str:
    """Explain a word of the command line that OmegaConf does not take, for which it gives `cause`."""
    key = override.lstrip("+").partition("=")[0]
    if key.startswith("aug.operations."):
        return f"{override}: {OPERATIONS}"
    if re.search(r"Key '.+?' (?:is )?not in", cause):
        return unknown_key(key)
    group, _, name = key.rpartition(".")
    known = rules(GROUPS[group].schema if group in GROUPS else None if group else Root)
    try:
        if name in known:
            check_setting(key, OverridesParser.create().parse_overrides([override])[0].value(), known[name])
    except InputError as error:
        return str(error)
    return f"{override}: {first_line(cause)}; --cfg all shows the value that it has now"
