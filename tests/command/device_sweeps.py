"""Sweeps on a device of their choice: their words, the names of their runs, and what their processes do first."""

from pathlib import Path

from conftest import tiny
from hydra import compose, initialize_config_module

from pets_seg.config.identity import run_name


def without_device(root: Path) -> list[str]:
    return [word for word in tiny(root) if not word.startswith("train.device")]


def name(*overrides: str) -> str:
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return run_name(compose("config", overrides=[*overrides, "train.device=cpu"], return_hydra_config=True))


def site(folder: Path, program: str) -> str:
    """Write what every Python process does before anything else, and return the value of PYTHONPATH for it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(program)
    return str(folder)
