"""The words of a command line: which are flags, which are overrides, and whether all of them can be read."""

from argparse import Namespace
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override

from pets_seg.command.quoting import quoted
from pets_seg.command.spelling import unreadable
from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import meant_as_sweep, readable
from pets_seg.config.options import known_settings
from pets_seg.errors import InputError, nearest

# Flags of Hydra's that would leave out the checks, or run what a file has pickled.
OWN = "options of your own come through hydra.searchpath=[file:///my/conf]"
NOT_HERE = {"config_name": OWN, "config_path": OWN, "experimental_rerun": "replay=RUN repeats a run"}
# The words as they were given, before they are put into the form that Hydra wants.
typed: list[str] = []
# Tasks that use the data of a run.
OF_A_RUN = {"task=evaluate", "task=export", "task=demo"}


def check_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the command line with its flags before its overrides, values in quotes where Hydra needs them.

    Raises InputError for one that cannot be read.
    """
    parser = get_args_parser()
    parser.error = _refuse_flag  # type: ignore[method-assign]  # argparse has no other way to keep it from exiting.
    given, rest = parser.parse_known_args(list(arguments))
    # The parser takes overrides in one place only; what is left over may be more of them.
    overrides = [*given.overrides, *rest]
    for word in rest:
        if word.startswith("-"):
            raise InputError(_no_such_flag(word, [f"--{name.replace('_', '-')}" for name in vars(given)]))
    for flag, fix in NOT_HERE.items():
        if getattr(given, flag) is not None:
            raise InputError(f"--{flag.replace('_', '-')}: is not for use here; {fix}")
    others = [argument for argument in arguments if argument not in overrides]
    if given.shell_completion:
        return others + overrides
    words = [quoted(word) for word in overrides]
    for index, word in enumerate(words):
        if not readable(word):
            raise InputError(unreadable(overrides, index))
    for word, override in zip(words, OverridesParser.create().parse_overrides(words), strict=True):
        _check_override(word, override)
    return others + words


def for_recorded_data(words: Sequence[str]) -> list[str]:
    """Return a command line in which settings of data go with the data of the run that a task names, not with `data`.

    The option that is chosen without data=... is not that of the run, and may have no such settings.
    """
    if not OF_A_RUN.intersection(words) or any(key_of(word) == "data" for word in words):
        return list(words)
    return [f"++{word}" if word.startswith("data.") and "=" in word else word for word in words]


def flags(arguments: Sequence[str]) -> Namespace:
    """Return what Hydra's parser makes of a command line that can be read."""
    return get_args_parser().parse_known_args(list(arguments))[0]


def key_of(word: str) -> str:
    """Return the group or the setting that an override is for."""
    return word.lstrip("+~").partition("=")[0].partition("@")[0]


def only_shows(arguments: Sequence[str]) -> bool:
    """Return whether a command line that can be read asks for help or a configuration and so starts no work."""
    given = flags(arguments)
    return bool(given.help or given.hydra_help or given.cfg or given.info or given.shell_completion)


def _refuse_flag(message: str) -> NoReturn:
    raise InputError(f"{message.removeprefix('argument ')}; --hydra-help lists the flags")


def _no_such_flag(word: str, known: Sequence[str]) -> str:
    """Explain a word with dashes that is no flag; it may be a setting, written as other programs want it."""
    flag, _, value = word.partition("=")
    key = flag.lstrip("-")
    if key in GROUPS or key in known_settings():
        return f"{word}: a setting is written without dashes: {key}={value or '...'}"
    return f"{flag}: no such flag{nearest(flag, known)}; --hydra-help lists them; a setting is key=value"


def _check_override(word: str, override: Override) -> None:
    """Raise InputError for what Hydra would take, and understand otherwise than it is meant."""
    key, value = override.key_or_group, override.value()
    if override.is_delete() and (key in known_settings() or key.partition(".")[0] in GROUPS):
        raise InputError(f"{word}: can be changed, not removed")
    options = value.list if isinstance(value, ChoiceSweep) else [value]
    # Of several options in brackets Hydra would make one.
    if key in GROUPS and not GROUPS[key].several and any(isinstance(option, list) for option in options):
        raise InputError(f"{word}: takes one option{meant_as_sweep(key, word.partition('=')[2])}")
    group, _, name = key.rpartition(".")
    if name == "name" and group in GROUPS and GROUPS[group].passed is not None:
        raise InputError(f"{word}: the name belongs to the file of the option; choose one by {group}={value}")
    if key in ("hydra", "hydra.callbacks") or key.startswith("hydra.callbacks.hooks"):
        raise InputError(f"{key}: holds the checks that come before every run; leave it as it is")
