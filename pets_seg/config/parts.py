"""Parts: the classes and functions that options name by `_target_`, ours and a user's own alike."""

import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

from hydra.utils import instantiate

from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import unknown_key
from pets_seg.config.options import OWN, SPECIAL, known_settings, own_option
from pets_seg.config.plain import plain
from pets_seg.config.rules import arguments_of, check_value
from pets_seg.config.schema import rules
from pets_seg.errors import InputError, nearest, reason

# Hydra 1.4 wants to be told which classes may be built. The options of a command may name any but those that Hydra
# itself refuses; what a stranger's file may name, `permitted` decides.
warnings.filterwarnings("ignore", "(?s).*execution.whitelist")
# The targets that this process's commands named themselves; files may name them too.
_allowed: set[str] = set()


def check_part(group: str, settings: Mapping[str, Any], where: str) -> None:
    """Raise InputError unless the class or function that `settings` name can be imported and takes what they hold.

    `settings` are plain values; `where` is their key in the configuration. Keys that the package itself reads are left
    to their own rules.
    """
    target = locate(settings, where)
    taken, anything = arguments_of(target, GROUPS[group].passed or 0)
    ours = rules(GROUPS[group].schema)
    limits = rules(GROUPS[group].limits)
    for key, value in settings.items():
        if not isinstance(key, str):
            raise InputError(f"{where}: has an entry {str(key)[:50]}, which is no name; mend the file of the option")
        if value == "???" or key in SPECIAL or (key in ours and key not in taken):
            continue
        if key not in taken and not anything:
            raise InputError(_surplus(where, key, settings["_target_"], [*taken, *ours]))
        if isinstance(value, Mapping) and "_target_" in value:
            continue
        if key in taken:
            check_value(f"{where}.{key}", value, taken[key].annotation)
        if key in limits:
            check_value(f"{where}.{key}", value, limits[key])
    for key, parameter in taken.items():
        # What a file leaves open is ???.
        if parameter.default is inspect.Parameter.empty and settings.get(key, "???") == "???":
            raise InputError(f"{where}.{key}: is needed; give {where}.{key}=..., or write it into the option's file")


def build(group: str, settings: Mapping[str, Any], *passed: Any, makes: type = object) -> Any:
    """Return what the class or function that `settings` name makes of them and of what is `passed` before them.

    A loss or a metric is returned as a function that takes what is passed later. Raises InputError with the reason if
    it cannot be made, or is no `makes`. `settings` are plain values: a reference in one is not followed.
    """
    settings = plain(settings)
    made = locate(settings, group)
    taken, _ = arguments_of(made, GROUPS[group].passed or 0)
    ours = rules(GROUPS[group].schema)
    try:
        arguments = {
            key: instantiate(value, _convert_="all") if any(targets(value)) else value
            for key, value in settings.items()
            if key not in SPECIAL and (key in taken or key not in ours)
        }
        part = partial(made, **arguments) if GROUPS[group].later else made(*passed, **arguments)
    except InputError:
        raise
    except Exception as error:
        why = reason(error.__cause__ or error)
        raise InputError(f"{group}={settings.get('name')}: cannot be made ({why})") from error
    if not isinstance(part, makes):
        kind = f"{makes.__module__}.{makes.__qualname__}"
        raise InputError(f"{group}={settings.get('name')}: {settings['_target_']} does not make a {kind}")
    return part


def allow(config: Mapping[str, Any]) -> None:
    """Let files that are read from now on name the network and the source that this command names."""
    for group in ("model", "data"):
        _allowed.update(targets(config[group]))


def permitted(group: str, settings: Mapping[str, Any], also: Collection[str] = (), advice: str = "") -> dict[str, Any]:
    """Return the settings of an option as a file has them, which may be a stranger's, with what it was made of.

    That is the class of the package's own option of this name or, if the command itself names it or it is in `also`,
    the file's. Raises InputError for any other, for a class among its arguments, and for a reference: nothing of it is
    imported. `advice` says what to do with a class of one's own, if that is not to be named in the command.
    """
    name, named = settings.get("name"), [*targets(settings)]
    own = own_option(group, name) if isinstance(name, str) else {}
    target = own.get("_target_") if named in ([], [own.get("_target_")]) else None
    if target is None and named and named[:1] == [settings.get("_target_")] and set(named) <= _allowed.union(also):
        target = named[0]
    if target is None or (own and settings.get("_target_", target) != target):
        shown = f"{group}={str(name)[:50]}"
        advice = advice or f"name it in the command: {shown} hydra.searchpath=[file:///my/conf]"
        raise InputError(f"{shown} is not one of {', '.join(OWN.options(group))}; if it is yours, {advice}")
    if "${" in str(settings):
        raise InputError(f"{group}={name}: holds a reference (${{...}}), which no run writes")
    return {**settings, "_target_": target}


def imported(target: str) -> Any:
    """Return what a path of names, which may be a stranger's, leads to in a module that is there; None if nothing.

    Nothing is imported and nothing is run: neither what a module or a class has to make what it is asked for, nor a
    module that is loaded once it is used.
    """
    names = target.split(".")
    for end in range(len(names) - 1, 0, -1):
        if (found := sys.modules.get(".".join(names[:end]))) is not None:
            for name in names[end:]:
                # Not isinstance, which asks what is none of them for its class.
                kind = next((kind for kind in (ModuleType, type) if issubclass(type(found), kind)), None)
                found = kind.__getattribute__(found, "__dict__").get(name) if kind else None
            return found
    return None


def targets(node: Any) -> Iterator[str]:
    """Return every class or function that a configuration, or a part of one, names."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from targets(value)


def _surplus(where: str, key: str, target: str, known: list[str]) -> str:
    """Return why a part has no such argument: it belongs to another option, or is mistyped."""
    if f"{where}.{key}" in known_settings():
        return unknown_key(f"{where}.{key}")
    return f"{where}.{key}: {target} takes no such argument{nearest(key, known)}; it takes {', '.join(known) or 'none'}"


def locate(settings: Mapping[str, Any], where: str) -> Callable[..., Any]:
    """Return the class or function that `settings` name; InputError if it cannot be imported."""
    name = settings.get("_target_")
    if not isinstance(name, str):
        raise InputError(f"{where}._target_: is needed: the class or function of the option, e.g. my_package.MyClass")
    try:
        # Under Hydra's own rules of what may be built; nothing is called.
        target = instantiate({"_target_": name, "_partial_": True}).func
        inspect.signature(target)
    except Exception as error:
        why = reason(error.__cause__ or error)
        line = f"{where}._target_={name[:100]}: cannot be used ({why}); name a class or function"
        raise InputError(line) from error
    return target
