"""What makes a run what it is, and the name that it has from that."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pets_seg.config.groups import IDENTITY
from pets_seg.config.options import own_option
from pets_seg.config.plain import plain, plain_parts
from pets_seg.config.weights import DIGEST, TEACHER_DIGEST, with_digest
from pets_seg.errors import InputError
from pets_seg.machine.device import with_precision

# Keys in the groups of IDENTITY that cannot change a result.
NO_IDENTITY = ("train.device", "train.save_every_steps", "train.keep_state", "data.cache_dir", "data.download")
# A key that is added later goes here with the value that keeps the former behaviour: while it holds that value it
# does not enter the name, so that runs made before the key existed keep theirs.
ADDED_LATER: dict[str, Any] = {
    "aug.keep_original": False,
    "train.accumulate": 1,
    "train.checkpoint_activations": False,
    "train.ema": 0.0,
    "train.deterministic": False,
    "train.teacher": None,
    "train.teacher_weight": 0.5,
    "train.teacher_temperature": 2.0,
    "data.group": None,
    "data.lists": None,
    "data.mask_suffix": "",
    "data.mask_values": None,
    "data.mask_threshold": None,
    "data.range": None,
    "data.train_fraction": 1.0,
}
# Groups that allowed options of one's own before `_whole` existed: their values are hashed as they are written.
AS_WRITTEN = ("aug", "optimizer", "train")
# Groups whose `_target_` is part of the hash in a run's name, as it always was.
WITH_TARGET = ("optimizer",)


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a resolved configuration, as plain values, that can change a run's result.

    It is the same for what older versions wrote. Of an option of the package's own, what it names and what it derives
    from its settings is left out: its name stands for that.
    """
    part = made_of(config)
    for group, node in part.items():
        if isinstance(node, Mapping):
            part[group] = {
                key: value
                for key, value in settings_of(group, node).items()
                if (where := f"{group}.{key}") not in NO_IDENTITY
                and not (where in ADDED_LATER and value == ADDED_LATER[where])
            }
    # The weights that it starts from; where they are does not count, and older versions recorded a path without effect.
    if digest := config.get(DIGEST):
        part["checkpoint"] = digest
    if (digest := config.get(TEACHER_DIGEST)) and isinstance(part.get("train"), Mapping):
        part["train"]["teacher"] = digest
    return part


def made_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of a configuration that make a run what it is."""
    return {group: config[group] for group in IDENTITY if group in config}


def settings_of(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return an option's values without what its name stands for, if it is one of the package's own."""
    own = own_option(group, node["name"]) if isinstance(node.get("name"), str) else {}
    typed = {key: _like(own.get(key), value) for key, value in node.items()}
    if group in WITH_TARGET:
        return typed
    if group not in AS_WRITTEN:
        typed = {key: value if isinstance(own.get(key), float) else _whole(value) for key, value in typed.items()}
    implied = {key: value for key, value in own.items() if key.startswith("_")}
    if derived := {key: value for key, value in own.items() if group != "aug" and "${" in str(value)}:
        # Only numbers are used: other values of an untrusted file may hold interpolations, which are not resolved.
        numbers = {key: value for key, value in {**own, **typed}.items() if isinstance(value, int | float)}
        resolved = _resolved(group, json.dumps({**numbers, **derived}))
        implied |= {key: resolved[key] for key in derived}
    hidden = ("_partial_", "_convert_") if group not in AS_WRITTEN else ()
    return {
        key: value
        for key, value in typed.items()
        if key not in hidden and (key not in implied or value != _whole(implied[key]))
    }


@lru_cache(maxsize=1024)
def _resolved(group: str, settings: str) -> Mapping[str, Any]:
    """Return the settings of an option, given as JSON, with their references resolved.

    In a study the same are asked for in thousands of runs. As JSON 1, 1.0 and true are three.
    """
    return plain(OmegaConf.create({group: json.loads(settings)}))[group]


def run_name(cfg: DictConfig) -> str:
    """Return `<model>-<aug>-<optimizer>-s<seed>-<hash>`, the hash covering the `resolved_identity`.

    Raises InputError if weights that the run starts or learns from are not there.
    """
    digest = hashlib.sha256(json.dumps(resolved_identity(cfg), sort_keys=True).encode()).hexdigest()[:8]
    return f"{cfg.model.name}-{cfg.aug.name}-{cfg.optimizer.name}-s{cfg.seed}-{digest}"


def resolved_identity(cfg: DictConfig) -> dict[str, Any]:
    """Return the `identity` of a composed configuration, with its precision and the weights that it names.

    The precision stays as it is given if the device of the run is not here. Raises InputError if weights are not there.
    """
    config = plain_parts(cfg, IDENTITY)
    # Such a run is refused before it has a folder, but for a job of another launcher: it says why in one of its own.
    with suppress(InputError):
        config = with_precision(config)
    return identity(with_digest({**config, "checkpoint": cfg.checkpoint}))


def _whole(value: Any) -> Any:
    """Return a value as it enters names: 2.0 is 2, and how a part is called is not said."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items() if key not in ("_partial_", "_convert_")}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _like(own: Any, value: Any) -> Any:
    """Return a whole number as the same number with a point where the option's own value has one."""
    if isinstance(own, list) and isinstance(value, list) and own:
        return [_like(own[0], item) for item in value]
    return float(value) if isinstance(own, float) and type(value) is int else value
