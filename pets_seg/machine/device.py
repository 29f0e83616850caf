"""The device that a run computes on, and the number format that fits it."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from pets_seg.errors import InputError
from pets_seg.machine.cuda import cuda_devices
from pets_seg.machine.world import this_world


def resolve_device(name: str) -> torch.device:
    """Return the device for `train.device`; auto takes CUDA, then MPS, then the CPU.

    Each of several processes takes the CUDA device of its local rank. Raises InputError for another name, and for a
    device that this machine lacks.
    """
    world = this_world()
    if name == "auto":
        mps = torch.backends.mps.is_available() and world.size == 1
        name = "cuda" if cuda_devices() else "mps" if mps else "cpu"
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
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(f"train.device={name}: {count} CUDA devices here; train.device=auto takes what there is")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("train.device=mps: no MPS device here; train.device=auto takes what there is")
    return device


def resolved(config: Mapping[str, Any]) -> tuple[dict[str, Any], torch.device]:
    """Return a configuration of plain values with its precision resolved for its device, and that device."""
    train = config["train"]
    device = resolve_device(train["device"])
    return {**config, "train": {**train, "precision": resolve_precision(train["precision"], device)}}, device


def describe_device(device: torch.device) -> str:
    """Return what status.json calls the device: cpu, mps, or cuda with the name of the GPU."""
    return f"{device} ({cuda_devices()[device.index or 0].name})" if device.type == "cuda" else device.type


def resolve_precision(name: str, device: torch.device) -> str:
    """Return fp32, bf16 or fp16 for `train.precision`; auto is bf16 (else fp16) on CUDA and fp32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if cuda_devices()[device.index or 0].bf16 else "fp16"
    if name == "fp16" and device.type != "cuda":
        raise InputError(f"train.precision=fp16: needs CUDA, the device is {device.type}; use fp32 or auto")
    return name
