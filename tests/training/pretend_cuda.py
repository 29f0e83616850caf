"""A CUDA device in host memory: shows on any machine what a training step would ask of a real one.

A tensor on it says cuda:0 and holds one on the CPU, where every operation is done. What would fail or be slow on a GPU
is noted on the way: tensors of host and device in one operation, an operation for whose result the host has to wait,
a copy that is not asynchronous, and the number of operations, each of which would launch a kernel or a copy.
"""

import os
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from backward_pass import backward
from torch.optim import optimizer
from torch.utils._python_dispatch import TorchDispatchMode

from pets_seg.machine.cuda import let_in

INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
# PyTorch marks the operations whose result the host has to wait for, but not the check of a matrix that was inverted.
WAITS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
CHECK = "_linalg_check_errors"
# What gives a GPU nothing to do, beside the views.
IDLE = {"_unsafe_view", "empty", "empty_like", "empty_strided", "is_pinned", "new_empty", "new_empty_strided"}
# In bytes: as many the driver takes from pageable memory at once, before it copies them.
STAGED = 2**16
# They give zeros here: nearly all of the time would be theirs, and no step depends on their values.
CONVOLUTIONS = {"convolution", "convolution_backward"}


class OnDevice(torch.Tensor):
    """A tensor on the device; `host` holds its values."""

    host: torch.Tensor

    @staticmethod
    def __new__(cls, host: torch.Tensor) -> "OnDevice":
        layout = {"strides": host.stride(), "storage_offset": host.storage_offset(), "dtype": host.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, host.shape, device=torch.device("cuda", 0), **layout)
        made.host = host
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func}: the pretended device is not entered")


class Device(TorchDispatchMode):
    """A context in which device="cuda" works, once `install` was called; it counts what is asked of the device.

    `operations` are counted by name, `faults` by their kind, the operation and the line that asked for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs, tensors = func._overloadpacket.__name__, dict(kwargs or {}), []

        def to_host(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                tensors.append(value)
            return value.host if isinstance(value, OnDevice) else value

        args_there, kwargs_there = _each(to_host, args), {key: _each(to_host, value) for key, value in kwargs.items()}
        known = {id(value.host): value for value in tensors if isinstance(value, OnDevice)}
        arrives = isinstance(args[0], OnDevice) if name == "copy_" else bool(known)
        if device := kwargs.get("device"):
            arrives = torch.device(device).type == "cuda"
            kwargs_there["device"] = torch.device("cpu") if arrives else device
        if known or arrives:
            self.operations[name] += not func.is_view and name not in IDLE
            if fault := _fault(func, name, args, kwargs, tensors, arrives):
                self.faults[f"{fault}: {name} at {_place()}"] += 1

        def to_device(value: Any) -> Any:
            # What was changed in place is the tensor that it was.
            return known.get(id(value), OnDevice(value)) if type(value) is torch.Tensor else value

        result = _on_cpu(func, name, args_there, kwargs_there)
        return _each(to_device, result) if arrives else result


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """Return `change` of a value, or of what nested lists and tuples hold."""
    return type(value)([_each(change, item) for item in value]) if type(value) in (list, tuple) else change(value)


def _on_cpu(func: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Do an operation on the CPU. Only a driver can pin memory: a tensor is told that it is pinned instead."""
    if name in CONVOLUTIONS:
        result = func(*_each(lambda value: value.to("meta") if isinstance(value, torch.Tensor) else value, args))
        return _each(lambda value: value if value is None else torch.zeros_like(value, device="cpu"), result)
    pinned = kwargs.pop("pin_memory", False) or name == "_pin_memory"
    result = args[0].clone() if name == "_pin_memory" else func(*args, **kwargs)
    if pinned:
        result.pinned = True
    return result


def _fault(func: Any, name: str, args: Any, kwargs: Any, tensors: Sequence[torch.Tensor], arrives: bool) -> str:
    """Return what is wrong with an operation on the device, "" if nothing is."""
    if name in ("copy_", "_to_copy"):
        if arrives == isinstance(tensors[-1], OnDevice):
            return ""
        asynchronous = kwargs.get("non_blocking") or args[2:] == (True,)
        # A copy into pageable memory waits in any case, and a larger one out of it; `to` takes pinned memory.
        source = tensors[-1]
        to_device = hasattr(source, "pinned") or source.nbytes <= STAGED
        to_host = name == "_to_copy" or hasattr(args[0], "pinned")
        return "" if asynchronous and (to_device if arrives else to_host) else "blocking copy"
    if name in INDEXING:
        indices = [index for index in args[1] if index is not None]
        if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
            return "wait"
        return "" if all(isinstance(index, OnDevice) for index in indices) else "blocking copy"
    if WAITS & {*func.tags} or name == CHECK:
        return "wait"
    # A single value of the host is passed along with the launch.
    return "mixed devices" if any(not isinstance(value, OnDevice) and value.ndim for value in tensors) else ""


def _place() -> str:
    """Return the innermost line that is not PyTorch's."""
    frames = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_stack()]
    file, line = [(file, line) for file, line in frames if "torch" not in file.parts and file != Path(__file__)][-1]
    return f"{'/'.join(file.parts[-3:])}:{line}"


def install() -> None:
    """Make this process believe that it has a CUDA device, which cannot be undone."""
    cuda: Any = torch.cuda
    cuda.is_available, cuda.device_count, cuda._lazy_init = lambda: True, lambda: 1, lambda: None
    cuda.is_bf16_supported = lambda including_emulation=True: True
    cuda.get_device_name, cuda.get_device_capability = lambda device: "pretended", lambda device: (9, 0)
    # What a process asks that is about to train; others have a child ask.
    let_in()
    cuda.reset_peak_memory_stats = lambda device=None: None
    cuda.get_rng_state, cuda.set_rng_state = lambda device: torch.empty(0), lambda state, device: None
    cuda.Event = lambda: SimpleNamespace(record=lambda: None, query=lambda: True)
    torch.Tensor.backward = backward
    # The CPU lacks the batch norm of cuDNN.
    torch.backends.cudnn.enabled = False
    # A parameter that is moved to the device has another class there.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    # Optimizers take parameters together only if they know their class.
    optimizer._foreach_supported_types.append(OnDevice)
    # Where there is a GPU too; PyTorch then takes a guard that asks no driver.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch._C._ensureCUDADeviceGuardSet()
    # torch.tensor(values, device="cuda") becomes what it is: a tensor on the CPU, and a copy of it.
    torch._C._set_only_lift_cpu_tensors(True)
