"""What Hydra and OmegaConf are told before anything is composed."""

import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any

import omegaconf
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from pets_seg.config.identity import run_name
from pets_seg.config.schema import Aug, Demo, Export, Predict, Report, Root, Train

# Not empty while the name of a run is made.
_naming: list[bool] = []


@cache
def register() -> None:
    """Tell Hydra the schemas, and OmegaConf the resolvers that conf/ uses, once."""
    store = ConfigStore.instance()
    # Hydra copies the whole store whenever it looks at a group, a hundred times for --help, and then copies each node
    # that it takes from it. The second copy is enough.
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]  # It has none of its own.
    # Hydra takes what the plugin hydra-optuna-sweeper stores for the schema of our option of that name.
    Plugins.instance()
    store.repo.get("hydra", {}).get("sweeper", {}).pop("optuna.yaml", None)
    for schema in (Root, Aug, Train, Report, Predict, Export, Demo):
        store.store(group="schema", name=schema.__name__.lower(), node=schema, provider="pets_seg")
    register_resolver("run_name", _run_name)
    register_resolver("scratch_folder", lambda: _scratch().name)


def _run_name(*, _root_: Any) -> str:
    # Where a part of the name refers to the name, it would be asked for within itself until the stack ends.
    if _naming:
        raise ValueError("the name of the run is made of it")
    _naming.append(True)
    try:
        return run_name(_root_)
    finally:
        _naming.pop()


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Let ${name:} in a configuration stand for what `resolver` returns."""
    # OmegaConf 2.4 gives this name to what 2.3 calls register_new_resolver.
    called = "register_new_resolver" if omegaconf.__version__.startswith("2.3.") else "register_resolver"
    getattr(OmegaConf, called)(name, resolver, replace=True)


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="pets_seg-", ignore_cleanup_errors=True)
