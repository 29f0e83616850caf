"""How fast is a training step against the same network plainly written, and against segmentation_models.pytorch?

Every measurement is a process of its own, and the variants take turns: how a process treats its memory is part of it.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

import torch
import torch.nn.functional as F
from plain import PlainResNet34UNet, PlainUNet
from timing import Rows, once
from torch import nn

from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine import cuda
from pets_seg.machine.device import resolve_precision
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import memory_format
from pets_seg.models.resnet34_unet import ResNet34UNet
from pets_seg.models.unet import UNet
from pets_seg.training.objective import Objective

BATCH = 16
CASES = {"unet 16": (64,), "unet 64": (64,), "resnet34_unet 32": (64, 128)}
ROUNDS = 3


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the title and rows of the one table."""
    rows = []
    for case, sizes in CASES.items():
        variants = ["plain", "ours"] + (["smp"] if case.startswith("resnet") else [])
        for size in sizes:
            found: dict[str, list[float]] = {variant: [] for variant in variants}
            for _ in range(ROUNDS):
                for variant in variants:
                    found[variant].append(_apart(variant, case, size, device, seconds / ROUNDS))
            speed = {variant: BATCH * 1000 / median(times) for variant, times in found.items()}
            rows.append(
                {
                    "network, width, size": f"{case}, {size} px",
                    "plain": f"{speed['plain']:.1f}",
                    "ours": f"{speed['ours']:.1f}",
                    "ours to plain": f"{speed['ours'] / speed['plain']:.2f}",
                    "smp.Unet resnet34": f"{speed['smp']:.1f}" if "smp" in speed else "",
                    "ours to smp": f"{speed['ours'] / speed['smp']:.2f}" if "smp" in speed else "",
                }
            )
    yield f"Images a second of a training step, batch {BATCH}, {resolve_precision('auto', device)}", rows


def _apart(variant: str, case: str, size: int, device: torch.device, seconds: float) -> float:
    arguments = [variant, case, str(size), str(device), str(seconds)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(variant: str, case: str, size: int, device: torch.device, seconds: float) -> float:
    """Return the median time of a training step in ms."""
    torch.manual_seed(0)
    name, width = case.split()
    image, mask = torch.rand(BATCH, 3, size, size, device=device), torch.randint(2, (BATCH, size, size), device=device)
    precision = resolve_precision("auto", device)
    if variant == "ours":
        use_device(device)
        network = (UNet(int(width)) if name == "unet" else ResNet34UNet(int(width))).to(device)
        layout = memory_format(device, network)
        network, image = network.to(memory_format=layout), image.contiguous(memory_format=layout)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
        objective = Objective([(1, cross_entropy)])
    else:
        network = _theirs(variant, name, int(width)).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        objective = None

    def step(index: int) -> None:
        with autocast(device, precision):
            logits = network(image)
        loss = objective(logits.float(), mask)[0] if objective else F.cross_entropy(logits.float(), mask)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for index in range(2):
        step(index)
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < seconds or len(times) < 3:
        times.append(once(step, len(times), device))
    return median(times)


def _theirs(variant: str, name: str, width: int) -> nn.Module:
    if variant == "smp":
        import segmentation_models_pytorch as smp

        return smp.Unet("resnet34", encoder_weights=None, classes=2)
    return PlainUNet(width) if name == "unet" else PlainResNet34UNet()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for argument, kind in (
        ("variant", str),
        ("case", str),
        ("size", int),
        ("device", torch.device),
        ("seconds", float),
    ):
        parser.add_argument(argument, type=kind)
    cuda.let_in()
    print(measure(**vars(parser.parse_args())))
