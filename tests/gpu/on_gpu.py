"""Runs for the tests on a GPU: of pixels in memory, so that nothing is decoded and nothing but the device differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_module

from pets_seg.config.checks import check
from pets_seg.data import SPLITS, Dataset, Index, Source
from pets_seg.data.batches import epoch_batches
from pets_seg.data.cache import Split
from pets_seg.data.request import Request
from pets_seg.machine.device import resolved
from pets_seg.machine.world import ALONE
from pets_seg.run_folder.folder import RunFolder
from pets_seg.tracking.tracker import Tracker
from pets_seg.training.loop import train
from pets_seg.training.progress import Progress
from pets_seg.training.setup import Setup, set_up
from pets_seg.training.step import train_epoch, train_step

DEVICE = torch.device("cuda")
# The overrides that make each network small.
NETWORKS = {
    "unet": ["model=unet", "model.width=8"],
    "unet, transposed": ["model=unet", "model.width=8", "model.upsampling=transposed"],
    "resnet34_unet": ["model=resnet34_unet", "model.decoder_width=8"],
    "resnet34_unet, transposed": ["model=resnet34_unet", "model.decoder_width=8", "model.upsampling=transposed"],
}
SMALL = ["data.size=64", "aug=none", "train.batch_size=8", "train.epochs=1", "tracker.mode=disabled"]


def configured(*overrides: str) -> tuple[dict[str, Any], torch.device]:
    """Return the checked configuration of a small run on the GPU, and its device."""
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=[*SMALL, f"train.device={DEVICE}", *overrides])
    return resolved(check(cfg))


def squares(count: int, size: int) -> Split:
    """Return dark noise (N,3,S,S) with a bright square each, which is the pet; its edge has trimap value 3."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(90, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    levels = torch.ones(count, size, size, dtype=torch.uint8)
    side = size // 2
    for image, level in zip(images, levels, strict=True):
        top, left = torch.randint(size - side, (2,), generator=generator).tolist()
        image[:, top : top + side, left : left + side] += 150
        level[top : top + side, left : left + side] = 2
        level[top + 1 : top + side - 1, left + 1 : left + side - 1] = 0
    trimap_of = torch.tensor([1, 2, 3], dtype=torch.uint8).repeat(count, 1)
    return Split([str(index) for index in range(count)], torch.arange(count), images, levels, trimap_of)


def dataset(images: int, size: int) -> Dataset:
    """Return so many `images` to train on, and four each for validation and test, of no files."""
    index = Index(Request.of("", Source({name: [] for name in SPLITS}), size), [])
    return Dataset(squares(images, size), squares(4, size), squares(4, size), index)


def prepared(folder: Path, *overrides: str, images: int = 40) -> Setup:
    """Return the parts of a small run at its start."""
    config, device = configured(*overrides)
    pixels = dataset(images, config["data"]["size"])
    return set_up(config, pixels, RunFolder(folder), device, Tracker(), lambda: None, ALONE)


def trained(folder: Path, *overrides: str, images: int = 40, poll: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Train a small run to its end and return its summary."""
    config, device = configured(*overrides)
    return train(config, dataset(images, config["data"]["size"]), RunFolder(folder), device, poll=poll)


def take_steps(run: Setup, count: int) -> None:
    """Take the next steps of the first epoch."""
    run.state.network.train()
    batches = epoch_batches(len(run.train), run.batch_size, run.seed, run.state.epoch)
    for indices in batches[run.state.step : run.state.step + count]:
        train_step(run, indices)
        run.state.step += 1


def watched_epoch(run: Setup, after_step: Callable[[int], None]) -> None:
    """Take an epoch as training does, and call `after_step(n)` after its step n."""
    # The poll comes after the count and after what is done about the loss.
    run.poll = lambda: after_step(run.state.step)
    train_epoch(run, Progress(run.epochs, run.steps_per_epoch, 0, "", shown=False))


def distance(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return how far `found` is from `wanted` in relation to its size."""
    found, wanted = found.detach().cpu().double(), wanted.detach().cpu().double()
    return ((found - wanted).norm() / wanted.norm()).item()
