"""Images a second of training: ours, a plain PyTorch loop, and segmentation_models.pytorch, in turns in one process.

The plain loop is what one writes with PyTorch alone: files read and augmented on the CPU by the workers of a DataLoader
with torchvision's transforms, channels last, autocast, Adam.
"""

import argparse
import csv
import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from ours import composed, overrides_of, pace, wait_for
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as FileDataset
from torchvision import tv_tensors
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))
from epoch import bare_step
from plain import PlainResNet34UNet, PlainUNet

from pets_seg.data.batches import IMAGENET_MEAN, IMAGENET_STD
from pets_seg.data.sources import sample
from pets_seg.machine.device import resolve_device, resolve_precision
from pets_seg.machine.precision import autocast, use_device

BATCH = 16
AUGS = ("none", "elastic", "crop")
COLUMNS = ("case", "loop", "aug", "workers", "images_per_second")


class Files(FileDataset):
    """The training files of the bundled sample, so many times as `images` says, decoded whenever they are asked for."""

    def __init__(self, size: int, aug: str, images: int) -> None:
        self.pairs = sample().splits["train"]
        self.images = images
        # As often, and of about the strength, as our option of that name.
        operation = {
            "none": None,
            "elastic": v2.ElasticTransform(sigma=5.0),
            "crop": v2.RandomResizedCrop(size, scale=(0.4, 1.0)),
        }[aug]
        floats = v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)
        sometimes = [v2.RandomApply([operation], p=0.2)] if operation else []
        resize = v2.Resize((size, size), antialias=True)
        self.transform = v2.Compose([resize, *sometimes, floats, v2.Normalize(IMAGENET_MEAN, IMAGENET_STD)])

    def __len__(self) -> int:
        return self.images

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        pair = self.pairs[index % len(self.pairs)]
        with Image.open(pair.image) as file:
            image = tv_tensors.Image(np.asarray(file.convert("RGB")).transpose(2, 0, 1).copy())
        with Image.open(pair.trimap) as file:
            mask = tv_tensors.Mask((np.asarray(file) != 2).astype(np.int64))
        image, mask = self.transform(image, mask)
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)


def plain_network(case: str) -> nn.Module:
    """Return the plainly written network of a case."""
    name, width, _ = case.split()
    return PlainUNet(int(width)) if name == "unet" else PlainResNet34UNet()


def plain_pace(network: nn.Module, files: Files, device: torch.device, epochs: int, workers: int) -> float:
    """Return the images a second of epochs of the plain loop, the median without the first."""
    torch.manual_seed(0)
    network = network.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    precision, cuda = resolve_precision("auto", device), device.type == "cuda"
    loader: Any = DataLoader(
        files, BATCH, shuffle=True, num_workers=workers, pin_memory=cuda, persistent_workers=workers > 0
    )
    paces = []
    for _ in range(epochs):
        started = time.perf_counter()
        for image, mask in loader:
            image = image.to(device, non_blocking=True, memory_format=torch.channels_last)
            mask = mask.to(device, non_blocking=True)
            with autocast(device, precision):
                logits = network(image)
            loss = F.cross_entropy(logits.float(), mask)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wait_for(device)
        paces.append(len(files) / (time.perf_counter() - started))
    return median(paces[1:])


def measure(case: str, device: torch.device, images: int, epochs: int, workers: int, seconds: float) -> Iterator[tuple]:
    """Yield loop, augmentation, workers and images a second, one after the other."""
    use_device(device)
    overrides, size = overrides_of(case), int(case.split()[2])

    def bare() -> float:
        return 1000 / bare_step(composed(overrides, device), device, seconds)

    # Before and after, so that a drift of the card's pace falls on all.
    yield "bare step", "none", "", bare()
    for aug in AUGS:
        yield "ours", aug, "", pace([*overrides, f"aug={aug}"], device, images, epochs)
        yield "plain", aug, workers, plain_pace(plain_network(case), Files(size, aug, images), device, epochs, workers)
    if importlib.util.find_spec("segmentation_models_pytorch"):
        import segmentation_models_pytorch as smp

        network = smp.Unet("resnet34", encoder_weights=None, classes=2)
        yield (
            "smp.Unet resnet34",
            "none",
            workers,
            plain_pace(network, Files(size, "none", images), device, epochs, workers),
        )
    else:
        print("segmentation_models_pytorch is not installed, and so not measured", flush=True)
    yield "bare step", "none", "", bare()


def main() -> None:
    """Print the figures of a case and add them to a CSV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("case", help="network, width and side in pixels, as in 'unet 64 256'")
    add("csv", type=Path, help="file to add the rows to")
    add("--device", type=resolve_device, default="auto")
    add("--images", type=int, default=2128, help="of an epoch: those of the bundled sample, again and again")
    add("--epochs", type=int, default=3, help="the first of which is not counted")
    add("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 2), help="of the DataLoader")
    add("--seconds", type=float, default=1.5, help="to measure a bare step for")
    arguments = vars(parser.parse_args())
    path = arguments.pop("csv")
    for row in measure(**arguments):
        is_new = not path.exists()
        with open(path, "a", newline="") as file:
            csv.writer(file).writerows([COLUMNS, (arguments["case"], *row)] if is_new else [(arguments["case"], *row)])
        print(arguments["case"], *row, flush=True)


if __name__ == "__main__":
    main()
