"""The words of a command line: which are flags, which are overrides, and whether all of them can be read."""

import re
from collections.abc import Sequence
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import OverrideParseException

from pets_seg.command.spelling import unreadable
from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import first_line, meant_as_sweep
from pets_seg.config.options import known_settings
from pets_seg.errors import InputError, nearest

# In characters, of one override: reading one takes a time that grows with the square of its length.
LONGEST = 10_000
# Keys are sought as names of files too.
LONGEST_KEY = 200
FLAGS = ("--help", "--hydra-help", "--version", "--cfg", "--resolve", "--package", "--run", "--multirun", "--info")
MODES = ("RUN", "MULTIRUN")
OWN_OPTIONS = "options of your own come through hydra.searchpath=[file:///my/conf]"
NOT_HERE = {
    "experimental_rerun": "runs what is pickled in a file; replay=RUN repeats a run",
    "config_name": f"there is one configuration; {OWN_OPTIONS}",
    "config_path": f"there is one configuration; {OWN_OPTIONS}",
}


# The words as they were given, before they are put into the form that Hydra wants.
typed: list[str] = []


def check_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line with its flags before its overrides; raise InputError for one that cannot be read."""
    parser = get_args_parser()
    parser.error = _refuse_flag
    given, rest = parser.parse_known_args(list(arguments))
    # The parser takes overrides in one place only; what is left over may be more of them.
    overrides = [*given.overrides, *rest]
    for word in rest:
        if word.startswith("-"):
            raise InputError(_no_such_flag(word, arguments))
    for flag, reason in NOT_HERE.items():
        if getattr(given, flag) is not None:
            raise InputError(f"--{flag.replace('_', '-')}: is not for use here: {reason}")
    modes = {"--run": given.run, "--multirun": given.multirun, "--cfg": given.cfg, "--info": given.info}
    if len(chosen := [flag for flag, value in modes.items() if value]) > 1:
        raise InputError(f"{' '.join(chosen)}: contradict each other; give one of them")
    if given.resolve and not (given.cfg or given.help):
        raise InputError("--resolve: shows nothing by itself; give --cfg job --resolve")
    if not given.shell_completion:
        for override in [_read(overrides, index) for index in range(len(overrides))]:
            _check_override(override, given.multirun)
    return [argument for argument in arguments if argument not in overrides] + overrides


def config_folder() -> list[str]:
    """Return the flag of the command line that names a folder of the user's own options, if it was given."""
    given, _ = get_args_parser().parse_known_args(typed)
    return [f"--config-dir={given.config_dir}"] if given.config_dir else []


def only_shows(arguments: Sequence[str]) -> bool:
    """Return whether a command line that can be read asks for help or a configuration and so starts no work."""
    given, _ = get_args_parser().parse_known_args(list(arguments))
    return bool(given.help or given.hydra_help or given.cfg or given.info or given.shell_completion)


def _refuse_flag(message: str) -> NoReturn:
    raise InputError(f"{message.removeprefix('argument ')}; --hydra-help lists the flags")


def _no_such_flag(word: str, arguments: Sequence[str]) -> str:
    """Explain a word with dashes that is no flag; it may be a setting, written as other programs want it."""
    flag, equals, value = word.partition("=")
    key = flag.lstrip("-")
    if key in GROUPS or key in known_settings():
        following = arguments[arguments.index(word) + 1 :][:1]
        if not equals and following and "=" not in following[0] and not following[0].startswith("-"):
            word, value = f"{word} {following[0]}", following[0]
        return f"{word}: a setting is written without dashes: {key}={value or '...'}"
    return f"{flag}: no such flag{nearest(flag, [*FLAGS])}; --hydra-help lists them; a setting is key=value"


def _read(words: Sequence[str], index: int) -> Override:
    """Return one of the overrides as Hydra reads it; InputError for what its parser stumbles over."""
    text = words[index]
    if len(text) > LONGEST:
        raise InputError(f"{text[:60]}...: has {len(text)} characters, {LONGEST} are the most; shorten it")
    # Python makes no number of more digits a float.
    if re.search(r"[0-9_]{300}", text):
        raise InputError(f"{text[:60]}...: holds a number of 300 digits or more; write a smaller one")
    try:
        [override] = OverridesParser.create().parse_overrides([text])
    except OverrideParseException as error:
        raise InputError(unreadable(words, index, str(error))) from None
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(
            f"{text[:60]}...: cannot be read ({first_line(str(error))}); write it flat and short"
        ) from None
    return override


def _check_override(override: Override, multirun: bool) -> None:
    """Raise InputError for what can be read and is refused or misunderstood further on."""
    text, key, value = override.input_line, override.key_or_group, override.value()
    if not key:
        raise InputError(f"{text}: has no key; write key=value")
    if len(key) > LONGEST_KEY:
        raise InputError(f"{key[:60]}...: no such group or setting; --help lists them")
    if override.is_delete() and (
        key in GROUPS or key in known_settings() or re.fullmatch(r"aug\.operations(\.\d+)?", key)
    ):
        raise InputError(f"{text}: can be changed, not removed{'; p=0 draws no image' if key[-1].isdigit() else ''}")
    if key in GROUPS and not override.is_delete():
        for option in _options(override):
            if not isinstance(option, str | QuotedString):
                hint = meant_as_sweep(key, text.partition("=")[2])
                raise InputError(
                    f"{text}: takes the name of an option, or is left out; --help lists those of {key}{hint}"
                )
    group, _, name = key.rpartition(".")
    if name == "name" and group in GROUPS and GROUPS[group].passed is not None:
        raise InputError(f"{text}: the name belongs to the file of the option; choose one by {group}={value}")
    if key == "hydra" or key.startswith("hydra.callbacks.hooks") or (key == "hydra.callbacks" and value is None):
        raise InputError(f"{key}: holds the checks that come before every run; leave it as it is")
    if key == "hydra.mode":
        if value not in MODES:
            raise InputError(f"{text}: is one of {', '.join(MODES)}")
        if multirun and value != "MULTIRUN":
            raise InputError(f"{text}: contradicts --multirun; leave one of them out")


def _options(override: Override) -> Sequence[Any]:
    value = override.value()
    if isinstance(value, Glob):
        return ()
    values = value.list if isinstance(value, ChoiceSweep) else [value]
    if GROUPS[override.key_or_group].several:
        return [item for value in values for item in (value if isinstance(value, list) else [value])]
    return values
