"""What can be known to be wrong before any work starts."""

import math
import os
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pets_seg.config.schema import NAME, SCHEMAS, settings
from pets_seg.errors import InputError
from pets_seg.messages import TYPES, first_line, nearest, sweep_hint, unknown_key


def check(cfg: DictConfig) -> None:
    """Raise InputError for a value out of its range, options that contradict, or a device that is not here."""
    try:
        OmegaConf.to_container(cfg, resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        key = getattr(error, "full_key", None) or "${...}"
        raise InputError(
            f"{key}: refers to what cannot be had ({first_line(str(error))}); "
            "name a key of --cfg job, or a variable that is set as ${oc.env:NAME}"
        ) from error
    _check_name("name", cfg.name)
    _check_keys(cfg, OmegaConf.get_type(cfg), "")
    for group in ("model", "aug", "optimizer", "scheduler", "loss", "data", "train", "tracker", "report"):
        _check_option(group, cfg.get(group))
    for key, rule in settings().items():
        node = OmegaConf.select(cfg, key.rpartition(".")[0]) if "." in key else cfg
        if key.rpartition(".")[2] in node:
            value = OmegaConf.select(cfg, key)
            _check_kind(key, value, rule)
            check_value(key, value, rule)
    _check_together(cfg)


def _check_name(key: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"{key}={str(name)[:120]}: must start with a letter or digit and hold 1 to 100 letters, digits, _ . + -"
        )


def _check_keys(node: DictConfig, schema: type, prefix: str) -> None:
    known = [item.name for item in fields(schema)]
    for key in node:
        if key not in known:
            raise InputError(unknown_key(f"{prefix}{key}"))


def _check_option(group: str, node: Any) -> None:
    """Check what an option holds; one of a user's own may have no schema, and then hold more than the others."""
    if not isinstance(node, DictConfig):
        raise InputError(f"{group}={str(node)[:100]}: must hold settings; mend the file of the option")
    _check_name(f"{group}.name", node.get("name"))
    schema, variants = OmegaConf.get_type(node), SCHEMAS[group]
    if is_dataclass(schema):
        _check_keys(node, schema, f"{group}.")
        if variants.get(node.name, schema) is not schema:
            raise InputError(
                f"{group}.name={node.name}: is the name of another option; choose it by {group}={node.name}"
            )
    elif group == "optimizer":
        schema = None
    else:
        schema = variants.get(node.name, next(iter(variants.values())))
    needed = [item.name for item in fields(schema) if item.default == MISSING] if schema else ["_target_", "lr"]
    for key in needed:
        if key not in node:
            raise InputError(f"{group}.{key}: is needed; give {group}.{key}=..., or write it into the option's file")


def _check_kind(key: str, value: Any, rule: dict[str, Any]) -> None:
    if not _is(value, rule["type"]):
        text = str(value)[:100]
        raise InputError(f"{key}={text}: expected {TYPES[rule['type']]}{sweep_hint(key, text)}")


def _is(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if kind == list[float]:
        return isinstance(value, list | ListConfig) and all(_is(item, float) for item in value)
    # To Python true is a whole number.
    return isinstance(value, int | float if kind is float else kind) and (kind is bool or not isinstance(value, bool))


def check_plain(key: str, value: Any) -> None:
    """Raise InputError unless `value`, from a file, is of the type and in the range of the setting `key`."""
    rule = settings().get(key)
    if rule is None:
        raise InputError(f"{key}: no such setting")
    _check_kind(key, value, rule)
    check_value(key, value, rule)


def check_value(key: str, value: Any, rule: dict[str, Any]) -> None:
    """Raise InputError for a value that is not among the choices, or not in the range, of a setting's `rule`."""
    if rule["choices"] and value not in rule["choices"]:
        allowed = list(rule["choices"])
        raise InputError(f"{key}={value}: is one of {', '.join(allowed)}{nearest(str(value), allowed)}")
    low, high = rule["low"], rule["high"]
    if low is not None and not (low <= value < math.inf and (high is None or value <= high)):
        between = f"from {low} to {high}" if high is not None else f"{low} or more and finite"
        raise InputError(f"{key}={value}: must be {between}")


def _check_together(cfg: DictConfig) -> None:
    from pets_seg.training.precision import resolve_device, resolve_precision

    device = resolve_device(cfg.train.device)
    resolve_precision(cfg.train.precision, device)
    if cfg.loss.cross_entropy == cfg.loss.dice == 0:
        raise InputError("loss.cross_entropy=0 loss.dice=0: nothing to minimise; give one of them a weight")
    parts = cfg.train.accumulate
    if parts > cfg.train.batch_size:
        raise InputError(f"train.accumulate={parts}: train.batch_size={cfg.train.batch_size} has not as many images")
    if -(-cfg.train.batch_size // parts) == 1 and cfg.data.size == 32 and cfg.model.name == "resnet34_unet":
        raise InputError(
            f"train.batch_size={cfg.train.batch_size} train.accumulate={parts}: batch norm has one value a channel of "
            "one image at data.size=32; use 2 or more images at once"
        )
    if cfg.train.checkpoint_activations and cfg.model.name != "unet":
        raise InputError(f"train.checkpoint_activations=true: is built for model=unet, not for model={cfg.model.name}")
    betas = cfg.optimizer.get("betas")
    if betas is not None and (len(betas) != 2 or not all(0 <= beta < 1 for beta in betas)):
        raise InputError(f"optimizer.betas={list(betas)}: must be two numbers from 0 to below 1")
    if cfg.model.get("pretrained") and cfg.data.normalisation != "imagenet":
        raise InputError("model.pretrained=true data.normalisation=raw: ImageNet weights need normalisation=imagenet")
    cache_dir = cfg.data.get("cache_dir")
    if cache_dir and os.path.isfile(cache_dir):
        raise InputError(f"data.cache_dir={cache_dir}: is a file; name a folder")
