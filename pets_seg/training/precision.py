"""The device that a run computes on, and the number format that its network computes in."""

import re
from contextlib import AbstractContextManager

import torch

from pets_seg.errors import InputError


def resolve_device(name: str) -> torch.device:
    """Return the device for `train.device`; auto takes CUDA, then MPS, then the CPU.

    Raises InputError for a name that is not auto, cpu, cuda, cuda:N or mps, or a device that is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise InputError(f"train.device={name}: is one of auto, cpu, cuda, cuda:N, mps")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(f"train.device={name}: {count} CUDA devices here; train.device=auto takes what there is")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("train.device=mps: no MPS device here; train.device=auto takes what there is")
    return device


def resolve_precision(name: str, device: torch.device) -> str:
    """Return fp32, bf16 or fp16 for `train.precision`; auto is bf16 (else fp16) on CUDA and fp32 elsewhere."""
    if name == "auto":
        if device.type != "cuda":
            return "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if name == "fp16" and device.type != "cuda":
        raise InputError(f"train.precision=fp16: needs CUDA, the device is {device.type}; use fp32 or auto")
    return name


def use_device(device: torch.device) -> None:
    """Make a numbered CUDA device the current one, to which events and pinned memory belong."""
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)


def memory_format(device: torch.device) -> torch.memory_format:
    """Return the layout of the network: convolutions on tensor cores want the channels innermost."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return the context in which the network computes in `precision`."""
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtype=formats[precision], enabled=precision != "fp32")
