"""`replay=RUN`: the settings of a run's config.yaml, as overrides of the command line."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig

from pets_seg.config.groups import IDENTITY, NAME
from pets_seg.config.identity import ADDED_LATER, settings_of
from pets_seg.config.options import own_option
from pets_seg.config.parts import targets
from pets_seg.config.plain import plain
from pets_seg.errors import InputError
from pets_seg.run_folder.config_file import find_config, read_config

KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NOT_FROM_FILES = ("data.cache_dir", "data.download")
# A file may be a stranger's: what it may have built are augmentations by these names, and nothing else.
ALLOWED = re.compile(r"(kornia\.augmentation|pets_seg\.augment)\.[A-Z]\w*")


def expand(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with the settings of the run that `replay=RUN` names; what else is given wins.

    Raises InputError if RUN holds no config.yaml that can be used.
    """
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    keys = {argument.lstrip("+~").partition("=")[0] for argument in given}
    if "replay" not in keys:
        return list(arguments)
    if clash := keys & {"experiment", "task"}:
        raise InputError(f"{clash.pop()}: cannot be given with replay, which trains what RUN's config.yaml says")
    [*_, run] = [word.partition("=")[2].strip("'\"") for word in given if word.lstrip("+~").startswith("replay=")]
    settings = [*_overrides(run, read_config(find_config(run))), ("name", "replay")]
    recorded = [f"{key}={value}" for key, value in settings if not _is_given(key.lstrip("+"), keys)]
    # Before all that is given, for of two overrides of a key the later one counts.
    first = arguments.index(given[0])
    return [*arguments[:first], *recorded, *arguments[first:]]


def check_same_parts(cfg: DictConfig) -> None:
    """Raise InputError if an option of the replayed run was made of other classes than the option of its name here."""
    recorded = read_config(find_config(cfg.replay))
    for group in IDENTITY:
        if group in ("seed", "aug") or recorded[group]["name"] != cfg[group].name:
            continue
        then, now = [*targets(recorded[group])], [*targets(plain(cfg[group]))]
        # Older versions wrote it of optimizers alone.
        if then and then != now:
            raise InputError(
                f"replay={cfg.replay}: its {group}={cfg[group].name} was {', '.join(then)[:160]}, here it is "
                f"{', '.join(now)}; give the {group}=... that is meant"
            )


def _is_given(key: str, keys: set[str]) -> bool:
    """Whether the command line sets `key` or the group that it is in."""
    return any(key == other or key.startswith(f"{other}.") for other in keys)


def _overrides(run: str, config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for group in IDENTITY:
        if group == "seed":
            yield group, _written(run, group, config[group])
            continue
        name = config[group]["name"]
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(f"replay={run}: {group}.name={str(name)[:50]!r} is not the name of an option")
        yield group, name
        former = {key.partition(".")[2]: value for key, value in ADDED_LATER.items() if key.startswith(f"{group}.")}
        for key, value in {**former, **settings_of(group, config[group])}.items():
            if not isinstance(key, str) or not KEY.fullmatch(key):
                raise InputError(f"replay={run}: {group} has an entry {str(key)[:50]!r}, which no run writes")
            # What an option builds is said by the option here, and where files go by the user, not by the file.
            if key != "name" and not key.startswith("_") and f"{group}.{key}" not in NOT_FROM_FILES:
                # An argument that the option's file does not have takes a +.
                added = "" if key in own_option(group, name) or f"{group}.{key}" in ADDED_LATER else "++"
                yield from _each(run, f"{added}{group}.{key}", value)


def _each(run: str, key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return the overrides for a value; around a class that the option names, one for each of its arguments."""
    if key.lstrip("+").startswith("aug.") or not any(targets(value)):
        yield key, _written(run, key.lstrip("+"), value)
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if not KEY.fullmatch(str(name)) and isinstance(name, str):
            raise InputError(f"replay={run}: {key} has an entry {name[:50]!r}, which no run writes")
        if not str(name).startswith("_"):
            yield from _each(run, f"{key}.{name}", item)


def _written(run: str, key: str, value: Any) -> str:
    """Return `value` in the grammar of Hydra's overrides."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str() if "${" not in value and value.isprintable():
            return "'" + re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", value)) + "'"
        case list():
            return "[" + ",".join(_written(run, f"{key}.{index}", item) for index, item in enumerate(value)) + "]"
        case dict():
            return "{" + ",".join(_entry(run, key, name, item) for name, item in value.items()) + "}"
    raise InputError(f"replay={run}: {key}={str(value)[:50]!r} is not a value that a run writes")


def _entry(run: str, key: str, name: Any, value: Any) -> str:
    if not isinstance(name, str) or not KEY.fullmatch(name):
        raise InputError(f"replay={run}: {key} has an entry {str(name)[:50]!r}, which no run writes")
    if name.startswith("_") and not (name == "_target_" and isinstance(value, str) and ALLOWED.fullmatch(value)):
        raise InputError(
            f"replay={run}: {key}.{name}={str(value)[:80]} is not built from a file; classes of your own come through "
            "an aug option: give aug=... beside replay"
        )
    return f"{name}:{_written(run, f'{key}.{name}', value)}"
