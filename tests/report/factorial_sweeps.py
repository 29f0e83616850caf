"""Sweeps over several factors whose effects are known."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sweeps import SMALL, write_sweep

from pets_seg.report.study.effects import MainEffect
from pets_seg.report.study.study import Study

NETWORKS, AUGS = ("unet", "resnet34_unet"), ("none", "elastic", "crop")
TWO = {"model": NETWORKS, "aug": AUGS}
BASE = {"model": "unet", "aug": "none"}
# Of elastic, crop and resnet34_unet.
PLANTED = {"elastic": -0.02, "crop": -0.05, "resnet34_unet": 0.01}


def write(folder: Path, factors: dict[str, tuple[str, ...]], effect: Callable[..., float], **more: Any) -> list[Path]:
    """Write a sweep over options; `effect` of their names gives that on the Dice of every image."""
    groups = {}
    for cell in product(*factors.values()):
        config = {f"{key}.name": name for key, name in zip(factors, cell, strict=True)}
        groups[" ".join(cell)] = {"config": config, "effect": effect(*cell)}
    return write_sweep(folder, groups, **{**SMALL, **more})


def additive(*cell: str) -> float:
    # Far from 1, above which a Dice is cut off.
    return sum(PLANTED.get(level, 0.0) for level in cell) - 0.1


def scores(study: Study, values: dict[str, str], column: str = "dice") -> np.ndarray:
    """Return the test scores (seeds, images) of a group as its files hold them."""
    [found] = [group for group in study.groups if group.values == values]
    tables = [pd.read_csv(run.folder / "per_image.csv") for run in sorted(found.runs, key=lambda run: run.seed)]
    return np.array([table.loc[table["split"] == "test", column] for table in tables])


def by_level(effects: list[MainEffect]) -> dict[str, MainEffect]:
    return {item.level: item for item in effects}
