"""Configurations as plain values."""

from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig, OmegaConf


def plain(node: Any, resolve: bool = True) -> Any:
    """Return a configuration, or a part of one, as dicts, lists, numbers and texts; what is plain already stays."""
    return OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node


def plain_parts(config: DictConfig, keys: Iterable[str]) -> dict[str, Any]:
    """Return parts of a configuration as plain values; they may refer to parts that are not among them."""
    return {key: plain(config[key]) for key in keys}
