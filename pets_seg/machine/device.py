"""The device that a run computes on, and the number format that fits it."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pets_seg.errors import InputError
from pets_seg.machine.cuda import cuda_devices
from pets_seg.machine.world import this_world

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Place:
    """What a torch.device says, for a process that does without torch: cpu, mps or cuda, and which of several."""

    type: str
    index: int | None = None


def find_place(name: str) -> Place:
    """Return the device for `train.device`; auto takes CUDA, or else the CPU.

    Each of several processes takes the CUDA device of its local rank. Raises InputError for another name, and for a
    device that this machine lacks. Imports torch only where the answer needs it.
    """
    world = this_world()
    if name == "auto":
        name = "cuda" if cuda_devices() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d{1,3})?", name):
        raise InputError(f"train.device={name}: must be one of auto, cpu, cuda, cuda:N, mps")
    if world.size > 1 and name not in ("cpu", "cuda"):
        raise InputError(f"train.device={name}: {world.size} processes take train.device=cpu, cuda or auto")
    count = len(cuda_devices()) if name.startswith("cuda") else 0
    if world.size > 1 and name == "cuda":
        if count < world.local_size:
            raise InputError(
                f"train.device=cuda: {world.local_size} processes need as many CUDA devices, here: {count}"
            )
        name = f"cuda:{world.local_rank}"
    kind, _, number = name.partition(":")
    place = Place(kind, int(number) if number else None)
    if kind == "cuda" and (place.index or 0) >= count:
        raise InputError(f"train.device={name}: {count} CUDA devices here; train.device=auto takes what there is")
    if kind == "mps" and not _has_mps():
        raise InputError("train.device=mps: no MPS device here; train.device=auto takes CUDA or the CPU")
    return place


def resolve_device(name: str) -> "torch.device":
    """Return the device of `find_place` as torch has it."""
    import torch

    place = find_place(name)
    return torch.device(place.type) if place.index is None else torch.device(place.type, place.index)


def with_precision(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of plain values with its precision resolved for its device."""
    train = config["train"]
    return {
        **config,
        "train": {**train, "precision": resolve_precision(train["precision"], find_place(train["device"]))},
    }


def resolved(config: Mapping[str, Any]) -> "tuple[dict[str, Any], torch.device]":
    """Return a configuration of plain values with its precision resolved for its device, and that device."""
    return with_precision(config), resolve_device(config["train"]["device"])


def describe_device(device: "torch.device") -> str:
    """Return what status.json calls the device: cpu, mps, or cuda with the name of the GPU."""
    return f"{device} ({cuda_devices()[device.index or 0].name})" if device.type == "cuda" else device.type


def resolve_precision(name: str, device: "torch.device | Place") -> str:
    """Return fp32, bf16 or fp16 for `train.precision`; auto is bf16 (else fp16) on CUDA and fp32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if cuda_devices()[device.index or 0].bf16 else "fp16"
    if name == "fp16" and device.type != "cuda":
        raise InputError(f"train.precision=fp16: needs CUDA, the device is {device.type}; use fp32 or auto")
    return name


def _has_mps() -> bool:
    if sys.platform != "darwin":
        return False
    import torch

    return torch.backends.mps.is_available()
