"""Which CUDA devices there are; asking makes a CUDA context, so that a child process is asked where there must be none.

A process with a context cannot be forked into jobs that use CUDA, nor be given other devices by CUDA_VISIBLE_DEVICES.
"""

import ctypes
import json
import os
import runpy
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pets_seg.errors import InputError

# Whether a run begins in this process, which may then have a CUDA context. Others ask a child process, which takes some
# seconds: a script that trains calls `let_in` first.
own_process = False
# Whether the jobs of this process's sweep run elsewhere. What there is there, they find out themselves.
elsewhere = False
# Lets PyTorch take the number of devices from NVML, which makes no context and spoils no fork.
BY_NVML = "PYTORCH_NVML_BASED_CUDA_CHECK"
GIVEN = os.environ.get(BY_NVML)
CHILD = "from pets_seg.machine.cuda import tell; tell()"
# In seconds; importing torch from a slow disk takes some.
LONGEST = 300
# The number of an attribute of a device in CUDA's driver API, and its least value with which torch has bfloat16.
COMPUTE_CAPABILITY_MAJOR, FIRST_WITH_BF16 = 75, 8


@dataclass(frozen=True)
class CudaDevice:
    """The name of a GPU, and whether it computes in bfloat16."""

    name: str
    bf16: bool


def keep_out(jobs_elsewhere: bool) -> None:
    """Let this process compose a sweep without a CUDA context; `jobs_elsewhere` says that its jobs run in others."""
    global own_process, elsewhere
    own_process, elsewhere = False, jobs_elsewhere
    os.environ[BY_NVML] = "1"


def let_in() -> None:
    """Let a run begin in this process, which may have a CUDA context from now on."""
    global own_process, elsewhere
    own_process, elsewhere = True, False
    if GIVEN is None:
        os.environ.pop(BY_NVML, None)
    else:
        os.environ[BY_NVML] = GIVEN


def cuda_devices() -> list[CudaDevice]:
    """Return the CUDA devices that this process sees; InputError if a child process that is asked fails."""
    torch = sys.modules.get("torch")
    if own_process or (torch and torch.cuda.is_initialized()):
        return _found()
    return _told_by_child(os.environ.get("CUDA_VISIBLE_DEVICES"))


def tell() -> None:
    """Print the CUDA devices as a line of JSON; without torch, whose import takes seconds, if the driver knows them."""
    version, _ = _built_for()
    print(json.dumps([asdict(device) for device in (_known_to_driver(version) if version else _found())]))


def _known_to_driver(version: str) -> list[CudaDevice]:
    """Return the devices that a torch built for this version of CUDA finds, as NVIDIA's driver says."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return []
    number = ctypes.c_int()

    def asked(function: str, *arguments: Any) -> int | None:
        return None if getattr(driver, function)(ctypes.byref(number), *arguments) else number.value

    # An older driver runs no program of a newer CUDA, unless they differ in the minor version alone.
    if driver.cuInit(0) or (asked("cuDriverGetVersion") or 0) // 1000 < int(version.partition(".")[0]):
        return []
    devices = []
    for index in range(asked("cuDeviceGetCount") or 0):
        device, name = asked("cuDeviceGet", index), ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(name, len(name), device)
        major = asked("cuDeviceGetAttribute", COMPUTE_CAPABILITY_MAJOR, device) or 0
        devices.append(CudaDevice(name.value.decode(errors="replace"), major >= FIRST_WITH_BF16))
    return devices


def _found() -> list[CudaDevice]:
    import torch

    # As `torch.cuda.is_bf16_supported` has it, which looks at the current device alone.
    rocm = bool(torch.version.hip)
    return [
        CudaDevice(
            torch.cuda.get_device_name(index), rocm or torch.cuda.get_device_capability(index)[0] >= FIRST_WITH_BF16
        )
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]


@cache
def _told_by_child(visible: str | None) -> list[CudaDevice]:
    """Ask a child process, if torch was built for any; `visible` is the value of CUDA_VISIBLE_DEVICES."""
    if not any(_built_for()):
        return []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop(BY_NVML, None)
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD], env=environment, capture_output=True, text=True, timeout=LONGEST, check=True
        )
        return [CudaDevice(**device) for device in json.loads(done.stdout.splitlines()[-1])]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        [*_, last] = (getattr(error, "stderr", None) or str(error)).strip().splitlines() or [""]
        raise InputError(
            f"train.device: the CUDA devices cannot be asked what they are ({last[:200]}); mend CUDA, or give "
            "train.device=cpu"
        ) from error


def _built_for() -> tuple[str | None, str | None]:
    """Return the versions of CUDA and of HIP that torch was built for, which its file says without an import."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None, None
    said = runpy.run_path(str(Path(spec.origin).with_name("version.py")))
    return said.get("cuda"), said.get("hip")
