"""Configurations as plain values."""

from typing import Any

from omegaconf import OmegaConf


def plain(node: Any, resolve: bool = True) -> Any:
    """Return a configuration, or a part of one, as dicts, lists, numbers and texts; what is plain already stays."""
    return OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node
