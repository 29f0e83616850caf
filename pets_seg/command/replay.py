"""`replay=RUN`: the settings of a run's config.yaml, as overrides of the command line."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.config.groups import GROUPS, IDENTITY, NAME
from pets_seg.config.identity import ADDED_LATER, made_of, settings_of
from pets_seg.config.options import own_option
from pets_seg.config.parts import targets
from pets_seg.config.plain import plain
from pets_seg.config.schema import rules
from pets_seg.config.weights import TEACHER, Weights, find_weights, named_weights, sha256
from pets_seg.errors import InputError, printable
from pets_seg.run_folder.config_file import find_config, read_config, root_problem
from pets_seg.run_folder.paths import as_given

KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NOT_FROM_FILES = ("data.cache_dir", "data.download")
# A file may be a stranger's: what it may have built are augmentations by these names, and nothing else.
ALLOWED = re.compile(r"(kornia\.augmentation|pets_seg\.augment)\.[A-Z]\w*")


def expand(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with the settings of the run that `replay=RUN` names; what else is given wins.

    Raises InputError if RUN holds no config.yaml that can be used, or weights that it names are not there now.
    """
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    keys = {*map(key_of, given)}
    if "replay" not in keys:
        return list(arguments)
    if clash := keys & {"experiment", "task"}:
        raise InputError(f"{clash.pop()}: cannot be given with replay, which trains what RUN's config.yaml says")
    [*_, run] = [word.partition("=")[2].strip("'\"") for word in given if key_of(word) == "replay"]
    config = read_config(find_config(run))
    settings = [*_overrides(run, config), ("name", "replay")]
    for key, weights in named_weights(config).items():
        if not _is_given(key, keys):
            path = _same_weights(run, key, weights)
            # That of the teacher is among the settings of training.
            settings += [] if key == TEACHER else [(key, _written(path))]
    if not _is_given("data.root", keys) and (problem := root_problem(config["data"])):
        raise InputError(f"replay={run}: {problem}; give data.root=... beside it")
    former = [f"{key}={value}" for key, value in settings if not _is_given(key.lstrip("+"), keys)]
    # Before all that is given, for of two overrides of a key the later one counts.
    first = arguments.index(given[0])
    return [*arguments[:first], *former, *arguments[first:]]


def _same_weights(run: str, key: str, weights: Weights) -> str:
    """Return the path of the weights that a run recorded for `key`; InputError unless they are still there."""
    path = str(weights.path)
    _check(run, key, path)
    try:
        now = sha256(find_weights(path, key), key)
    except InputError as error:
        why = f"which cannot be used now ({error})"
    else:
        if now == weights.digest:
            return path
        why = f"which holds other weights now (SHA-256 {now[:12]}, was {weights.digest[:12]})"
    did = "learned" if key == TEACHER else "started"
    raise InputError(f"replay={run}: it {did} from {key}={printable(path)}, {why}; give the {key}=... that is meant")


def check_same_parts(cfg: DictConfig) -> None:
    """Raise InputError if an option of the replayed run was made of other classes than the option of its name here."""
    former = read_config(find_config(cfg.replay))
    for group in IDENTITY:
        if group in ("seed", "aug") or former[group]["name"] != cfg[group].name:
            continue
        then, now = [*targets(former[group])], [*targets(plain(cfg[group]))]
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
    for group, node in made_of(config).items():
        _check(run, group, node)
        if group == "seed":
            yield group, _written(node)
            continue
        if not isinstance(name := node["name"], str) or not NAME.fullmatch(name):
            raise InputError(f"replay={run}: {group}.name={str(name)[:50]!r} is not the name of an option")
        yield group, name
        # Of those of an option of the package's own, only its own.
        known = own_option(group, name).keys() | rules(GROUPS[group].schema)
        former = {
            key: value for where, value in ADDED_LATER.items() if (key := where.removeprefix(f"{group}.")) in known
        }
        for key, value in {**former, **settings_of(group, node)}.items():
            # What an option builds is said by the option here, and where files go by the user, not by the file.
            if key != "name" and not key.startswith("_") and f"{group}.{key}" not in NOT_FROM_FILES:
                # An argument that the option's file does not have takes a +.
                value = as_given(config, f"{group}.{key}", value)
                _check(run, f"{group}.{key}", value)
                added = "" if key in own_option(group, name) else "++"
                yield from _each(f"{added}{group}.{key}", value)


def _check(run: str, key: str, value: Any) -> None:
    """Raise InputError for what no run writes, and for a class that must not be built because a file says so."""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or not KEY.fullmatch(name):
                raise InputError(f"replay={run}: {key} has an entry {str(name)[:50]!r}, which no run writes")
            allowed = name == "_target_" and ALLOWED.fullmatch(str(item))
            if key.startswith("aug.") and name.startswith("_") and not allowed:
                raise InputError(
                    f"replay={run}: {key}.{name}={str(item)[:80]} is not allowed in a recorded config; for a class "
                    "of your own add its option, aug=..., to the command"
                )
            _check(run, f"{key}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(run, f"{key}.{index}", item)
    elif not isinstance(value, int | float | str | None) or "${" in str(value) or any(map(_is_control, str(value))):
        raise InputError(f"replay={run}: {key}={str(value)[:50]!r} is not a value that a run writes")


def _is_control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def _each(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Return the overrides for a value; around a class that the option names, one for each of its arguments."""
    if key.lstrip("+").startswith("aug.") or not any(targets(value)):
        yield key, _written(value)
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if not str(name).startswith("_"):
            yield from _each(f"{key}.{name}", item)


def _written(value: Any) -> str:
    """Return `value` in the grammar of Hydra's overrides."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    if isinstance(value, str):
        return "'" + re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", value)) + "'"
    return "null" if value is None else repr(value).lower()
