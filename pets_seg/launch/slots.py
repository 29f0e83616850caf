"""The slots of this machine: a GPU or a part of one for each, or a share of the cores."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from hydra.errors import HydraException

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# In seconds; a driver that starts up answers late.
LONGEST = 60


@dataclass(frozen=True)
class Slot:
    """Where a worker runs: with these threads, on this GPU as CUDA_VISIBLE_DEVICES names it (None: not on one)."""

    number: int
    threads: int
    gpu: str | None = None

    def environment(self) -> dict[str, str]:
        """Return the variables of a worker."""
        variables = dict.fromkeys(THREADS, str(self.threads))
        return variables if self.gpu is None else {**variables, "CUDA_VISIBLE_DEVICES": self.gpu}

    def __str__(self) -> str:
        place = f", GPU {self.gpu}" if self.gpu else ""
        return f"{self.threads} thread{'s' if self.threads > 1 else ''}{place}"


def find_slots(slots: int | str, jobs_per_gpu: int) -> list[Slot]:
    """Return the slots of this machine; `slots` is their number, or auto for `jobs_per_gpu` a GPU, else one a core.

    The threads of a slot are its share of the cores, or OMP_NUM_THREADS if that is set. Raises HydraException for a
    number that cannot be.
    """
    if slots != "auto" and not is_count(slots):
        raise HydraException(f"hydra.launcher.slots={slots}: must be auto or a number of slots, 1 or more")
    if not is_count(jobs_per_gpu):
        raise HydraException(f"hydra.launcher.jobs_per_gpu={jobs_per_gpu}: must be a number of jobs, 1 or more")
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    threads = int(given) if given.isdecimal() and int(given) else None
    cores, devices = count_cores(), find_gpus()
    if jobs_per_gpu > 1 and (slots != "auto" or not devices):
        raise HydraException(
            f"hydra.launcher.jobs_per_gpu={jobs_per_gpu}: counts only with slots=auto on a machine with a GPU; leave "
            "it out"
        )
    count = slots if isinstance(slots, int) else len(devices) * jobs_per_gpu or max(1, cores // (threads or 1))
    threads = threads or max(1, cores // count)
    # Neighbours are on different GPUs, so that fewer jobs than slots spread over all of them.
    return [Slot(number, threads, devices[number % len(devices)] if devices else None) for number in range(count)]


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use, or the MIG parts of them, by what CUDA_VISIBLE_DEVICES takes.

    The driver's own program is asked, so that this process has no CUDA context.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # As CUDA reads it: up to the first that is none.
        return list(takewhile(lambda word: word and word != "-1", map(str.strip, visible.split(","))))
    program = shutil.which("nvidia-smi")
    if not program:
        return []
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=LONGEST, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stdout", None) or str(error)).strip().splitlines()
        raise HydraException(
            f"nvidia-smi -L: fails ({said[-1] if said else 'it says nothing'}); mend the driver, or set "
            "CUDA_VISIBLE_DEVICES, empty for no GPU"
        ) from None
    return _identifiers(done.stdout.splitlines())


def _identifiers(lines: Sequence[str]) -> list[str]:
    """Return the identifiers in what `nvidia-smi -L` prints; a GPU that is cut into parts is there by its parts."""
    found: list[str] = []
    for line in lines:
        if match := re.search(r"UUID: ((GPU|MIG)-[^)\s]+)", line):
            if match[2] == "MIG" and found and found[-1].startswith("GPU-"):
                found.pop()
            found.append(match[1])
    return found


def is_count(value: object) -> bool:
    """Return whether a setting is a number of things, 1 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
