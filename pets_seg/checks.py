"""What can be known to be wrong before any work starts."""

import math
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pets_seg.config import NAME, SCHEMAS, settings
from pets_seg.errors import InputError
from pets_seg.messages import TYPES, nearest


def check(cfg: DictConfig) -> None:
    """Raise InputError for a value out of its range, options that contradict, or a device that is not here."""
    for group in (None, "model", "aug", "optimizer", "scheduler", "loss", "data", "train", "tracker"):
        key = f"{group}.name" if group else "name"
        name = OmegaConf.select(cfg, key)
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(
                f"{key}={str(name)[:120]}: must start with a letter or digit and hold 1 to 100 letters, digits, _ . + -"
            )
    for group in SCHEMAS:
        _check_keys(OmegaConf.select(cfg, group) if group else cfg, f"{group}." if group else "")
    for key, rule in settings().items():
        node = OmegaConf.select(cfg, key.rpartition(".")[0]) if "." in key else cfg
        if isinstance(node, DictConfig) and key.rpartition(".")[2] in node:
            check_value(key, OmegaConf.select(cfg, key, throw_on_missing=True), rule)
    _check_together(cfg)


def _check_keys(node: DictConfig, prefix: str) -> None:
    # `+key=value` adds what no schema has; an option of a user's own has no schema and may hold anything.
    schema = OmegaConf.get_type(node)
    if is_dataclass(schema):
        known = [item.name for item in fields(schema)]
        for key in node:
            if key not in known:
                raise InputError(f"{prefix}{key}: no such setting{nearest(str(key), known)}; --help lists them")


def check_plain(key: str, value: Any) -> None:
    """Raise InputError unless `value`, from a file, is of the type and in the range of the setting `key`."""
    rule = settings().get(key)
    if rule is None:
        raise InputError(f"{key}: no such setting")
    kind = rule["type"]
    # To Python true is a whole number.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{key}={str(value)[:100]}: expected {TYPES.get(kind, 'a word or null')}")
    check_value(key, value, rule)


def check_value(key: str, value: Any, rule: dict[str, Any]) -> None:
    """Raise InputError for a value that is not among the choices, or not in the range, of a setting's `rule`."""
    if rule["choices"] and value not in rule["choices"]:
        allowed = list(rule["choices"])
        raise InputError(f"{key}={value}: is one of {', '.join(allowed)}{nearest(str(value), allowed)}")
    low, high = rule["low"], rule["high"]
    if low is not None and not (math.isfinite(value) and value >= low and (high is None or value <= high)):
        between = f"from {low} to {high}" if high is not None else f"{low} or more"
        raise InputError(f"{key}={value}: must be {between}")


def _check_together(cfg: DictConfig) -> None:
    from pets_seg.training.precision import resolve_device, resolve_precision

    device = resolve_device(cfg.train.device)
    resolve_precision(cfg.train.precision, device)
    if "_target_" not in cfg.optimizer:
        raise InputError(f"optimizer={cfg.optimizer.name}: has no _target_; name a class, e.g. torch.optim.RMSprop")
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
    if cache_dir and Path(cache_dir).is_file():
        raise InputError(f"data.cache_dir={cache_dir}: is a file; name a folder")
