"""Launchers that hand jobs to other machines, and what they need on this one."""

import importlib
from typing import Any

from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from pets_seg.errors import InputError

# Hydra takes plugins of this package alone. Before the name of a class of ours it stands for nothing.
PLACE = "hydra_plugins."


def check_launcher(hydra: DictConfig) -> None:
    """Make a launcher of ours known to Hydra; InputError if it lacks something here, or another is not installed."""
    target, choice = str(hydra.launcher._target_), hydra.runtime.choices["hydra/launcher"]
    plugins = Plugins.instance().class_name_to_class
    own = target.removeprefix(PLACE)
    if own.startswith("pets_seg."):
        module, _, name = own.rpartition(".")
        launcher: Any = getattr(importlib.import_module(module), name)
        plugins[target] = launcher
        try:
            launcher.check()
        except ModuleNotFoundError as error:
            raise InputError(
                f"hydra/launcher={choice}: needs {error.name}, which is not installed: pip install 'pets_seg[{choice}]'"
            ) from None
    elif target not in plugins:
        raise InputError(f"hydra/launcher={choice}: {target.partition('.')[2]} is not installed")
