"""How PyTorch is set up for a device, and the number format that a network computes in."""

import contextlib
import ctypes
from contextlib import AbstractContextManager
from typing import Any

import torch

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def use_device(device: torch.device, deterministic: bool = False) -> None:
    """Set up PyTorch for the device: its fast kernels, or with `deterministic` those of reproducible results."""
    torch.use_deterministic_algorithms(deterministic)
    # PyTorch would fill memory that is overwritten anyway. Any: the attribute is not declared.
    settings: Any = torch.utils.deterministic
    settings.fill_uninitialized_memory = False
    if device.type == "cuda":
        if device.index is not None:
            # Events and pinned memory belong to the current device.
            torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = not deterministic
        # TF32 for convolutions only: augmentation computes the places of pixels by matrix products, and TF32 would be
        # off by a tenth of a pixel at 256 px.
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cuda.matmul.allow_tf32 = False
    elif device.type == "cpu":
        # By default glibc returns large blocks to the system at once and asks for them again in the next step, a page
        # fault for every 4 KiB: an eighth of a step of ResNet34-UNet at 128 px. Other C libraries have no mallopt.
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(M_MMAP_THRESHOLD, 2**30)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return the context in which the network computes in `precision`."""
    formats = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, dtype=formats[precision], enabled=precision != "fp32")
