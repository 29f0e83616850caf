"""The peak memory of a run, and what is said where there is not enough."""

import contextlib
import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pets_seg.errors import RunError


def reset_peak(device: torch.device) -> None:
    """Start a new measurement, so that the jobs of one process do not count each other's memory."""
    if device.type == "cuda":
        # The network of the job before lives until then, and would count.
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif (clear_refs := Path("/proc/self/clear_refs")).exists():
        # A sandbox may forbid it; the peak is then that of the process so far.
        with contextlib.suppress(OSError):
            clear_refs.write_text("5")


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak in MB: of the tensors on a CUDA device, otherwise of the whole process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    if (status := Path("/proc/self/status")).exists():
        kilobytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(kilobytes) * 1024 / 1e6, 1)
    # Not on Windows; macOS counts bytes, and its peak cannot be reset.
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6, 1)


def out_of_memory(error: BaseException, config: Mapping[str, Any]) -> RunError | None:
    """Return the error to show, with a smaller batch size to try, where `error` says that memory ran out."""
    if not is_out_of_memory(error):
        return None
    batch_size = config["train"]["batch_size"]
    return RunError(
        f"out of memory with train.batch_size={batch_size} at data.size={config['data']['size']}; "
        f"try train.batch_size={max(1, batch_size // 2)} or a smaller data.size"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    told = any(text in str(error) for text in ("can't allocate memory", "out of memory"))
    return told or isinstance(error, MemoryError | torch.OutOfMemoryError)
