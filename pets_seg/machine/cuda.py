"""Which CUDA devices there are; asking makes a CUDA context, so that a child process is asked where there must be none.

A process with a context cannot be forked into jobs that use CUDA, nor be given other devices by CUDA_VISIBLE_DEVICES.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from functools import cache

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
    import torch

    if own_process or torch.cuda.is_initialized():
        return _found()
    return _told_by_child(os.environ.get("CUDA_VISIBLE_DEVICES"))


def tell() -> None:
    """Print the CUDA devices as a line of JSON."""
    print(json.dumps([asdict(device) for device in _found()]))


def _found() -> list[CudaDevice]:
    import torch

    # As `torch.cuda.is_bf16_supported` has it, which looks at the current device alone.
    rocm = bool(torch.version.hip)
    return [
        CudaDevice(torch.cuda.get_device_name(index), rocm or torch.cuda.get_device_capability(index)[0] >= 8)
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]


@cache
def _told_by_child(visible: str | None) -> list[CudaDevice]:
    """Ask a child process, if there are any; `visible` is the value of CUDA_VISIBLE_DEVICES."""
    import torch

    if not torch.cuda.device_count():
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
