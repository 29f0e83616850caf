"""What can be known to be wrong before any work starts."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from omegaconf import MISSING, DictConfig
from omegaconf.errors import OmegaConfBaseException

from pets_seg.config.groups import GROUPS, NAME
from pets_seg.config.hints import first_line, sweep_hint, unknown_key
from pets_seg.config.identity import ADDED_LATER
from pets_seg.config.options import own_option
from pets_seg.config.parts import check_part, locate
from pets_seg.config.plain import plain
from pets_seg.config.rules import Range, check_value, shown
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError, nearest
from pets_seg.machine import cuda
from pets_seg.machine.device import with_precision

# How the sum of a loss refers to one of its settings.
REFERENCE = re.compile(r"\$\{(?:loss)?\.+(\w+)\}")
# Columns of metrics.csv and per_image.csv, and names in evaluation.json.
TAKEN = {"dice", "iou", "loss", "ece", "objective", "pixels", "split", "stem", "images", "images_left_out", "has_pet"}
TAKEN |= {"epoch", "checkpoint", "data", "data_digest", "notes", "trained_on"}
WEIGHT = Annotated[float, Range(0)]


def check(cfg: DictConfig, named: Collection[str] = (), trained: Collection[str] = ()) -> dict[str, Any]:
    """Return a configuration as plain values.

    Raises InputError for a value out of its range, options that contradict, or a device that is not here, unless it is
    for jobs elsewhere. Of the options of the groups in `named` only the class must be there. Those of the groups in
    `trained` are left to the caller, who knows that a run was trained with them; nothing of them is imported.
    """
    try:
        config = plain(cfg)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "${...}"
        raise InputError(
            f"{key}: its interpolation cannot be resolved ({first_line(str(error))}); name a key "
            "that --cfg job shows, or by ${oc.env:NAME} a variable of the environment that is set"
        ) from error
    _check_name("name", config["name"])
    _check_settings(config, Root, "")
    for group, about in GROUPS.items():
        if about.several:
            for name, node in (config.get(group) or {}).items():
                if name in TAKEN:
                    raise InputError(
                        f"metric.{name}: is the name of a metric that every run has; give yours another name"
                    )
                if group not in trained:
                    named_node = {**node, "name": name} if isinstance(node, Mapping) else node
                    check_option(group, named_node, f"{group}.{name}")
        elif group in trained:
            continue
        elif group in named:
            locate(config[group], group)
        elif group == "loss" and isinstance(config[group], Mapping) and "sum" in config[group]:
            _check_name("loss.name", cfg.loss.get("name"))
            _check_sum(config["loss"], plain(cfg.loss, resolve=False)["sum"])
        elif about.schema or about.passed is not None:
            check_option(group, config.get(group))
    _check_together(config)
    return config


def _check_name(key: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"{key}={str(name)[:120]}: must start with a letter or digit and hold 1 to 100 letters (a to z), digits "
            "and _ . + -"
        )


def _check_settings(node: Mapping[str, Any], schema: type | None, prefix: str) -> None:
    known = rules(schema)
    for key, value in node.items():
        if key not in known:
            raise InputError(unknown_key(f"{prefix}{key}"))
        check_setting(f"{prefix}{key}", value, known[key])


def check_setting(key: str, value: Any, rule: Any) -> None:
    """Raise InputError unless `value` is what the annotation `rule` says; several values are told to sweep."""
    try:
        check_value(key, value, rule)
    except InputError as error:
        raise InputError(f"{error}{sweep_hint(key, str(value)[:100], rule)}") from None


def check_option(group: str, node: Any, where: str = "") -> None:
    """Raise InputError unless the plain values of an option, which may come from a file, can be used.

    `where` is its key in the configuration, if it is not the group.
    """
    about, where = GROUPS[group], where or group
    if not isinstance(node, Mapping):
        raise InputError(
            f"{where}={shown(node)}: is a value and not the settings of an option; correct the option's file, or "
            f"choose an option in the defaults list of a file: - override /{group}: OPTION"
        )
    _check_name(f"{where}.name", node.get("name"))
    for key, rule in rules(about.schema).items():
        if key in node:
            check_setting(f"{where}.{key}", node[key], rule)
        elif getattr(about.schema, key, MISSING) == MISSING:
            raise InputError(f"{where}.{key}: is needed; give {where}.{key}=..., or write it into the option's file")
    if about.passed is None:
        _check_settings(node, about.schema, f"{where}.")
        return
    own = own_option(group, node["name"])
    if "_target_" in own and own["_target_"] != node.get("_target_", own["_target_"]):
        raise InputError(
            f"{where}.name={node['name']}: is the name of another option; choose it by {group}={node['name']}"
        )
    check_part(group, node, where)


def _check_sum(node: Mapping[str, Any], written: Any) -> None:
    """Check a loss that is a sum of others; `written` is the sum with its references to settings of the loss."""
    weights = set(REFERENCE.findall(str(written)))
    for key, value in node.items():
        if key in weights:
            check_value(f"loss.{key}", value, WEIGHT)
        elif key not in ("name", "sum"):
            raise InputError(f"loss.{key}: nothing in loss.sum refers to it{nearest(key, weights)}; leave it out")
    terms = node["sum"]
    if not isinstance(terms, list) or not terms:
        raise InputError(f"loss.sum={str(terms)[:100]}: must be a list of {{weight, loss}}")
    for number, term in enumerate(terms):
        where = f"loss.sum.{number}"
        if not isinstance(term, Mapping) or term.keys() != {"weight", "loss"} or not isinstance(term["loss"], Mapping):
            raise InputError(f"{where}={str(term)[:100]}: must hold weight and loss, the settings of a loss")
        check_value(f"{where}.weight", term["weight"], WEIGHT)
        check_part("loss", term["loss"], f"{where}.loss")
    if not any(term["weight"] for term in terms):
        raise InputError(f"loss={node['name']}: all weights are 0, nothing to minimise; give one of them a weight")


def _check_together(config: Mapping[str, Any]) -> None:
    train = config["train"]
    if not cuda.elsewhere:
        with_precision(config)
    if train["accumulate"] > train["batch_size"]:
        raise InputError(
            f"train.accumulate={train['accumulate']}: must not exceed train.batch_size={train['batch_size']}; lower it"
        )
    for key in ("train.teacher_weight", "train.teacher_temperature"):
        value, default = train[key.removeprefix("train.")], ADDED_LATER[key]
        if train["teacher"] is None and value != default:
            raise InputError(f"{key}={shown(value)}: needs a teacher; give train.teacher=RUN, or leave it at {default}")
    if config["data"].get("root") == "":
        raise InputError("data.root=: is empty; name a folder (. is the current one)")
    cache_dir = config["data"].get("cache_dir")
    if cache_dir and os.path.isfile(cache_dir):
        raise InputError(f"data.cache_dir={cache_dir}: is a file; name a folder")
