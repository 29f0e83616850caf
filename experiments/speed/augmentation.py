"""What does augmentation on the device cost?"""

import operator
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

import torch
from hydra import compose, initialize_config_module
from kornia.augmentation import AugmentationSequential, RandomElasticTransform
from kornia.constants import DataKey, Resample
from timing import Rows, in_turns, milliseconds
from torchvision import tv_tensors
from torchvision.transforms import v2

from pets_seg.augment import Augment
from pets_seg.config.parts import build
from pets_seg.data import Normalise
from pets_seg.losses.cross_entropy import cross_entropy
from pets_seg.machine.device import resolve_precision
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import build_model, memory_format
from pets_seg.training.objective import Objective

BATCH = 16
ELASTIC_SIZE = 256
STEP_SIZE = 128


def tables(device: torch.device, seconds: float) -> Iterator[tuple[str, Rows]]:
    """Yield the titles and rows of both tables; the first in a process whose memory is as it comes."""
    yield f"Elastic deformation of {BATCH} images of {ELASTIC_SIZE} px with their masks", elastic(device, seconds)
    yield f"A training step of ResNet34-UNet, {BATCH} images of {STEP_SIZE} px", training_step(device, seconds)


def elastic(device: torch.device, seconds: float) -> Rows:
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
            "operation": name,
            "ms a batch": f"{time:.1f}",
            "times ours at p 1": f"{time / times['ours, p 1']:.1f}",
            "times ours at p 0.2": f"{time / times['ours, p 0.2']:.1f}",
        }
        for name, time in times.items()
    ]


def training_step(device: torch.device, seconds: float) -> Rows:
    """Time a training step of ResNet34-UNet without and with augmentation, in turns, and augmentation alone.

    The steps are medians, and what augmentation adds is the median of the differences within a turn.
    """
    use_device(device)
    image, mask = pairs(STEP_SIZE, device)
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        cfg = compose("config", overrides=["model=resnet34_unet"])
    torch.manual_seed(0)
    network = build_model(cfg.model).to(device)
    layout = memory_format(device, network)
    network = network.to(memory_format=layout)
    optimizer = build("optimizer", cfg.optimizer, network.parameters())
    objective = Objective([(1, cross_entropy)])
    normalise = Normalise("imagenet", device, layout)
    precision = resolve_precision("auto", device)

    def step(augment: Augment, index: int) -> None:
        one, its = augment(image.clone(), mask.clone(), index)
        with autocast(device, precision):
            logits = network(normalise(one))
        loss, _ = objective(logits.float(), its)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    augments = {name: Augment(operations(name, STEP_SIZE)) for name in ("none", "elastic", "strong")}
    steps = in_turns({name: partial(step, augment) for name, augment in augments.items()}, device, 3 * seconds)
    alone = {name: milliseconds(partial(augment, image, mask), device, seconds) for name, augment in augments.items()}
    more = {name: median(map(operator.sub, times, steps["none"])) for name, times in steps.items()}
    bare = median(steps["none"])
    return [
        {
            f"in {precision}": f"aug={name}",
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
