"""Our own training on the bundled sample, for the scripts of this folder."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from pets_seg.config.checks import check
from pets_seg.config.register import register
from pets_seg.data import Dataset, open_dataset
from pets_seg.machine import cuda
from pets_seg.machine.device import resolved
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.loop import train

# The scripts train in processes of their own, and need not ask another one for the GPUs.
cuda.let_in()


class SeenEnoughError(Exception):
    """Ends a run that has shown what was wanted."""


def overrides_of(case: str) -> list[str]:
    """Return the overrides of a case like `unet 64 256`: network, width, side in pixels."""
    name, width, size = case.split()
    key = "width" if name == "unet" else "decoder_width"
    return [f"model={name}", f"model.{key}={width}", f"data.size={size}"]


def composed(overrides: Sequence[str], device: torch.device) -> DictConfig:
    """Return the configuration of a run on the bundled sample."""
    register()
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return compose("config", overrides=["tracker=none", f"train.device={device}", *overrides])


def repeated(dataset: Dataset, images: int) -> Dataset:
    """Return a data set with so many training images, the same ones again if there are fewer."""
    split = dataset.train
    times = -(-images // len(split))
    stems, rows = (split.stems * times)[:images], split.rows.repeat(times)[:images]
    return replace(dataset, train=replace(split, stems=stems, rows=rows))


def pace(overrides: Sequence[str], device: torch.device, images: int, epochs: int) -> float:
    """Return the images a second of the training part of real epochs, the median without the first."""
    with tempfile.TemporaryDirectory() as folder:
        _train(composed([*overrides, f"train.epochs={epochs}"], device), Path(folder), images, lambda: None)
        rows = RunFolder(Path(folder)).read_rows("metrics.csv")
    return median(float(row["images_per_second"]) for row in rows[1:])


def watch(overrides: Sequence[str], device: torch.device, images: int, after_step: Callable[[], None]) -> None:
    """Train until `after_step`, called after every step, raises SeenEnoughError."""
    with tempfile.TemporaryDirectory() as folder, suppress(SeenEnoughError):
        _train(composed([*overrides, "train.epochs=1000"], device), Path(folder), images, after_step)


def wait_for(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _train(cfg: DictConfig, folder: Path, images: int, after_step: Callable[[], None]) -> Any:
    config, device = resolved(check(cfg))
    return train(config, repeated(open_dataset(config["data"]), images), RunFolder(folder), device, poll=after_step)
