"""What does an epoch cost beside its forward passes, backward passes and updates?"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch
from hydra import compose, initialize_config_module
from omegaconf import DictConfig
from timing import Rows, once

from pets_seg.config.checks import check
from pets_seg.config.parts import build
from pets_seg.data import open_dataset
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.device import resolve_precision, resolved
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import build_model, memory_format
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.loop import train
from pets_seg.training.objective import Objective

CASES = {
    "ResNet34-UNet, 128 px, aug=elastic": ["model=resnet34_unet", "data.size=128", "aug=elastic"],
    "UNet width 16, 64 px, aug=hflip": ["model=unet", "model.width=16", "data.size=64", "aug=hflip"],
}


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    use_device(device)
    rows = []
    for case, overrides in CASES.items():
        epochs = max(2, round(seconds / 5))
        with initialize_config_module("pets_seg.conf", version_base="1.3"):
            cfg = compose(
                "config",
                overrides=[*overrides, f"train.device={device}", "tracker=none", f"train.epochs={epochs}"],
            )
        # Bare steps before and after, so that a drift of the machine's pace falls on both.
        before = bare_step(cfg, device, seconds)
        real, whole = real_epochs(cfg)
        bare = (before + bare_step(cfg, device, seconds)) / 2
        rows.append(
            {
                "batch 16, bundled sample": case,
                "ms an image, bare step": f"{bare:.2f}",
                "ms an image, epoch": f"{real:.2f}",
                "ratio": f"{real / bare:.3f}",
                "with validation and checkpoints": f"{whole:.2f}",
            }
        )
    yield "A real training epoch against bare steps on ready tensors", rows


def real_epochs(cfg: DictConfig) -> tuple[float, float]:
    """Return the time of an epoch in ms an image, the first left out: its training part, and all of it."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        config, device = resolved(check(cfg))
        train(config, open_dataset(config["data"]), run, device)
        lines = [line.split(",") for line in (run.path / "metrics.csv").read_text().splitlines()]
    epochs = [dict(zip(lines[0], map(float, line), strict=True)) for line in lines[1:]]
    images = epochs[0]["images_seen"]
    later = epochs[1:]
    return (
        median(1000 / row["images_per_second"] for row in later),
        median(1000 * row["seconds"] / images for row in later),
    )


def bare_step(cfg: DictConfig, device: torch.device, seconds: float) -> float:
    """Return the median time of forward pass, loss, backward pass and update on a ready batch, in ms an image."""
    size, count = cfg.data.size, cfg.train.batch_size
    torch.manual_seed(0)
    network = build_model(cfg.model).to(device)
    layout = memory_format(device, network)
    network = network.to(memory_format=layout)
    image = torch.rand(count, 3, size, size, device=device).contiguous(memory_format=layout)
    mask = torch.randint(2, (count, size, size), device=device)
    optimizer, objective = build("optimizer", cfg.optimizer, network.parameters()), Objective([(1, cross_entropy)])
    precision = resolve_precision("auto", device)

    def step(index: int) -> None:
        with autocast(device, precision):
            logits = network(image)
        objective(logits.float(), mask)[0].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for index in range(3):
        step(index)
    times: list[float] = []
    while sum(times) < seconds * 1000:
        times.append(once(step, len(times), device))
    return median(times) / count
