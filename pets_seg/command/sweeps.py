"""What Hydra must be told before it composes anything: whether a command is a sweep."""

import os
from collections.abc import Mapping, Sequence

from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pets_seg.command.arguments import flags, only_shows
from pets_seg.config.groups import GROUPS
from pets_seg.config.hints import readable
from pets_seg.config.plain import plain
from pets_seg.errors import InputError

Overrides = Sequence[tuple[str, Override]]
CONFIG_PATH, CONFIG_NAME = "pkg://pets_seg.conf", "config"


def told_apart(arguments: Sequence[str]) -> list[str]:
    """Return a command line that can be read as one that tells Hydra whether it is a sweep.

    It is one if it has -m or hydra.mode=MULTIRUN, or if a file that it chooses lists a sweep and it does not say
    otherwise (--run, hydra.mode=RUN). Hydra 1.4 takes the mode from nowhere but the command line.
    """
    if only_shows(arguments):
        return list(arguments)
    given = flags(arguments)
    parsed = OverridesParser.create().parse_overrides(given.overrides)
    overrides = [*zip(given.overrides, parsed, strict=True)]
    modes = [override.value() for override in parsed if override.key_or_group == "hydra.mode"]
    for mode in modes:
        if mode not in ("RUN", "MULTIRUN") or (given.multirun and mode == "RUN"):
            raise InputError(f"hydra.mode={mode}: must be RUN or MULTIRUN, and not contradict -m; leave it out")
    in_files = _in_files(given.config_dir, overrides)
    sweep = modes[-1] == "MULTIRUN" if modes else given.multirun or (in_files is not None and not given.run)
    others = [word for word in arguments if word not in given.overrides]
    words = _each_alone(overrides, in_files or {}) if sweep else given.overrides
    return [*others, *words, *([] if modes else [f"hydra.mode={'MULTIRUN' if sweep else 'RUN'}"])]


def _in_files(config_dir: str | None, overrides: Overrides) -> Mapping[str, str] | None:
    """Return what the chosen files sweep over (nothing, if they just say hydra.mode: MULTIRUN); None if they do not."""
    path = create_config_search_path(CONFIG_PATH)
    if config_dir:
        path.prepend("command-line", f"file://{os.path.abspath(config_dir)}", SearchPathQuery(provider="schema"))
    # Settings of groups choose no files, and may be those of an option that only the sweep chooses.
    choices = [word for word, override in overrides if _group(override) not in GROUPS]
    try:
        # In this mode values of a sweep are no error, and are left out.
        config = Hydra.create_main_hydra2("pets_seg", path).compose_config(
            CONFIG_NAME, choices, RunMode.MULTIRUN, with_log_configuration=False, validate_sweep_overrides=False
        )
        mode = config.hydra.mode
        return listed(config) if mode == RunMode.MULTIRUN or (mode is None and listed(config)) else None
    except (HydraException, OmegaConfBaseException):
        # Hydra meets it again, and ends the command with it.
        return None
    finally:
        GlobalHydra.instance().clear()


def _group(override: Override) -> str:
    """Return the group that an override sets something in, or nothing."""
    group, dot, _ = override.key_or_group.partition(".")
    return group if dot else ""


def listed(config: DictConfig) -> dict[str, str]:
    """Return what a configuration itself sweeps over: values by key, as a command line has them."""
    params = OmegaConf.select(config, "hydra.sweeper.params")
    return plain(params) if params else {}


def _each_alone(overrides: Overrides, in_files: Mapping[str, str]) -> list[str]:
    """Return the overrides as words, a setting of a group that is swept over as a sweep over one value.

    Before the jobs Hydra composes a configuration without what is swept over. It has the default option of such a
    group, and a setting that only the swept options have would be refused.
    """
    swept = {override.key_or_group for _, override in overrides if override.is_sweep_override()} | in_files.keys()
    words = []
    for word, override in overrides:
        key, _, value = word.partition("=")
        fixed = not override.is_sweep_override() and not override.is_delete() and value
        words.append(_as_choice(key, value) if fixed and _group(override) in swept else word)
    return words


def _as_choice(key: str, value: str) -> str:
    """Return an override as a sweep over its one value, or as a forced one if Hydra could not read the job's word."""
    choice = f"{key}=choice({value})"
    [element] = OverridesParser.create().parse_overrides([choice])[0].sweep_string_iterator()
    # It leaves out the quotes that letters of other scripts need.
    return choice if readable(f"{key}={element}") else f"++{key.lstrip('+')}={value}"
