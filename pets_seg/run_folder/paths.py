"""Paths in a run's config.yaml: absolute, so that they mean the same wherever the run is read."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from pets_seg.config.groups import GROUPS, IDENTITY
from pets_seg.config.parts import locate
from pets_seg.config.rules import arguments_of, takes_path
from pets_seg.config.schema import PATHS
from pets_seg.machine.files import absolute
from pets_seg.run_folder.config_file import GIVEN, given_paths


def recorded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's configuration, plain values, as its config.yaml has it.

    Its paths are absolute, seen from the current folder; links stay. Those that were given otherwise stand as they were
    under `given`, by dotted key. The parts that the configuration names must be importable.
    """
    kept = copy.deepcopy(dict(config))
    given = {}
    for key in dict.fromkeys(_path_keys(config)):
        group, _, name = key.rpartition(".")
        # Configurations of older versions lack groups.
        node = kept.get(group, {}) if group else kept
        value = node.get(name)
        if (whole := _from_here(value)) != value:
            given[key], node[name] = value, whole
    return {**kept, GIVEN: given} if given else kept


def as_given(config: Mapping[str, Any], key: str, value: Any) -> Any:
    """Return a recorded `value` as the command of the run gave it, if that means the same in the current folder."""
    given = given_paths(config).get(key)
    return given if given is not None and _from_here(given) == value else value


def _path_keys(config: Mapping[str, Any]) -> Iterator[str]:
    """Return the dotted keys of a configuration whose values are paths."""
    yield from PATHS
    for group in IDENTITY:
        node = config[group]
        if group in GROUPS and (passed := GROUPS[group].passed) is not None and "_target_" in node:
            taken, _ = arguments_of(locate(node, group), passed)
            yield from (f"{group}.{name}" for name, item in taken.items() if takes_path(item.annotation))


def _from_here(value: Any) -> Any:
    """Return a path as an absolute one; anything else as it is, "" too."""
    return str(absolute(value)) if isinstance(value, str) and value else value
