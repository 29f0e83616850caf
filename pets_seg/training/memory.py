"""The peak memory of a run."""

import contextlib
import gc
import sys
from pathlib import Path

import torch


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
