"""What does augmentation on the device cost? Run by `make bench`; on a GPU it measures the same there."""

import argparse
import operator
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_module
from kornia.augmentation import AugmentationSequential, RandomElasticTransform
from kornia.constants import DataKey, Resample
from timing import describe_machine, keep, milliseconds, once, table
from torchvision import tv_tensors
from torchvision.transforms import v2

from pets_seg.augment import Augment
from pets_seg.config import register
from pets_seg.data import Normalise
from pets_seg.models import build_model
from pets_seg.training.losses import Objective
from pets_seg.training.optimizers import build_optimizer
from pets_seg.training.precision import autocast, memory_format, resolve_device, resolve_precision, use_device

BATCH = 16
ELASTIC_SIZE = 256
STEP_SIZE = 128


def main() -> None:
    """Print both tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--seconds", type=float, default=10.0, help="to spend on each row")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    use_device(device)
    register()
    machine = describe_machine(device)
    print("\n".join(f"{key}: {value}" for key, value in machine.items()))
    for name, measure in (("elastic", elastic), ("step", training_step)):
        rows = measure(device, arguments.seconds)
        print(f"\n{table(rows)}\n\nkept in {keep(name, machine, rows)}", flush=True)


def elastic(device: torch.device, seconds: float) -> list[dict[str, str]]:
    """Time elastic deformation of a batch of images with masks: ours, Kornia's, torchvision's a sample at a time."""
    image, mask = pairs(ELASTIC_SIZE, device)
    floats = mask.unsqueeze(1).float()
    stock = AugmentationSequential(
        RandomElasticTransform(p=0.2),
        data_keys=["input", "mask"],
        extra_args={DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": False}},
    )
    vision = v2.ElasticTransform(sigma=5.0)
    sometimes = v2.RandomApply([vision], p=0.2)
    ours = {p: Augment([{**operations("elastic", ELASTIC_SIZE)[0], "p": p}]) for p in (1.0, 0.2)}

    def samples(transform: Any) -> Callable[[int], object]:
        return lambda index: [
            transform(tv_tensors.Image(one), tv_tensors.Mask(its)) for one, its in zip(image, mask, strict=True)
        ]

    times = {
        "ours, p 1": milliseconds(partial(ours[1.0], image, mask), device, seconds),
        "ours, p 0.2": milliseconds(partial(ours[0.2], image, mask), device, seconds),
        "Kornia RandomElasticTransform, p 0.2": milliseconds(lambda index: stock(image, floats), device, seconds),
        "torchvision v2 ElasticTransform a sample, sigma 5, p 1": milliseconds(samples(vision), device, seconds),
        "torchvision v2 ElasticTransform a sample, sigma 5, p 0.2": milliseconds(samples(sometimes), device, seconds),
    }
    return [
        {
            f"{BATCH} x 3 x {ELASTIC_SIZE} x {ELASTIC_SIZE} and masks": name,
            "ms a batch": f"{time:.1f}",
            "times ours at p 1": f"{time / times['ours, p 1']:.1f}",
            "times ours at p 0.2": f"{time / times['ours, p 0.2']:.1f}",
        }
        for name, time in times.items()
    ]


def training_step(device: torch.device, seconds: float) -> list[dict[str, str]]:
    """Time a training step of ResNet34-UNet without and with augmentation, in turns, and augmentation alone.

    The steps are medians, and what augmentation adds is the median of the differences within a turn.
    """
    image, mask = pairs(STEP_SIZE, device)
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=["model=resnet34_unet"])
    torch.manual_seed(0)
    layout = memory_format(device)
    network = build_model(**cfg.model).to(device).to(memory_format=layout)
    optimizer = build_optimizer(cfg.optimizer, network)
    objective = Objective(cross_entropy=1.0, dice=0.0)
    normalise = Normalise("imagenet", device)
    precision = resolve_precision("auto", device)

    def step(augment: Augment, index: int) -> None:
        one, its = augment(image.clone(), mask.clone(), index)
        with autocast(device, precision):
            logits = network(normalise(one).contiguous(memory_format=layout))
        loss, _ = objective(logits.float(), its)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    augments = {name: Augment(operations(name, STEP_SIZE)) for name in ("none", "elastic", "strong")}
    for augment in augments.values():
        step(augment, 0)
    steps: dict[str, list[float]] = {name: [] for name in augments}
    # In turns, so that a change of the machine's pace falls on all of them alike.
    while sum(map(sum, steps.values())) < 3 * seconds * 1000 * len(steps) or len(steps["none"]) < 3:
        for name, augment in augments.items():
            index = len(steps[name]) + 1
            steps[name].append(once(partial(step, augment), index, device))
    alone = {name: milliseconds(partial(augment, image, mask), device, seconds) for name, augment in augments.items()}
    more = {name: median(map(operator.sub, times, steps["none"])) for name, times in steps.items()}
    bare = median(steps["none"])
    return [
        {
            f"ResNet34-UNet, {BATCH} x 3 x {STEP_SIZE} x {STEP_SIZE}, {precision}": f"aug={name}",
            "ms a step": f"{bare + more[name]:.0f}",
            "more than aug=none": f"{more[name] / bare * 100:.1f} %",
            "ms of augmentation alone": f"{alone[name]:.1f}",
            "of the step": f"{alone[name] / bare * 100:.1f} %",
        }
        for name in augments
    ]


def pairs(size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images (B,3,size,size) and masks (B,size,size) on the device."""
    torch.manual_seed(0)
    return torch.rand(BATCH, 3, size, size, device=device), torch.randint(2, (BATCH, size, size), device=device)


def operations(option: str, size: int) -> list[dict[str, Any]]:
    """Return the operations of conf/aug/<option>.yaml."""
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        return compose("config", overrides=[f"aug={option}", f"data.size={size}"]).aug.operations


if __name__ == "__main__":
    main()
