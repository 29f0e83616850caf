"""How the benchmarks measure, and what they say of the machine."""

import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

Rows = list[dict[str, str]]
# A device clocks up, allocators fill and kernels are chosen before anything is counted.
WARM_UP = 3


def milliseconds(call: Callable[[int], object], device: torch.device, seconds: float) -> float:
    """Return the mean time of `call(i)` in ms, over at least 3 calls and `seconds`.

    The mean, not the median: with a probability of 0.2 the calls do unequal work, and training pays for all of it.
    """
    for index in range(WARM_UP):
        call(index)
    total, count = 0.0, 0
    while total < seconds * 1000 or count < 3:
        total += once(call, WARM_UP + count, device)
        count += 1
    return total / count


def in_turns(calls: dict[str, Callable[[int], object]], device: torch.device, seconds: float) -> dict[str, list[float]]:
    """Return the times of each call in ms; they take turns, so that a change of the machine's pace falls on all."""
    for index in range(WARM_UP):
        for call in calls.values():
            call(index)
    times: dict[str, list[float]] = {name: [] for name in calls}
    started = time.perf_counter()
    index = WARM_UP
    while time.perf_counter() - started < seconds * len(calls) or index < WARM_UP + 3:
        for name, call in calls.items():
            times[name].append(once(call, index, device))
        index += 1
    return times


def once(call: Callable[[int], object], index: int, device: torch.device) -> float:
    """Return the time of `call(index)` in ms, by CUDA events on a GPU."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        start.record()
        call(index)
        end.record()
        torch.cuda.synchronize(device)
        return start.elapsed_time(end)
    started = time.perf_counter()
    call(index)
    return (time.perf_counter() - started) * 1000


def describe_machine(device: torch.device) -> dict[str, str]:
    """Return what was measured on: processor or GPU, threads, versions."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": str(torch.get_num_threads()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        **{name: __import__(name).__version__ for name in ("torch", "torchvision", "kornia")},
    }


def slug(machine: dict[str, str]) -> str:
    """Return a file's name for a machine."""
    return re.sub(r"[^a-z0-9]+", "-", f"{machine['device']} {machine['threads']} threads".lower()).strip("-")


def table(rows: Sequence[dict[str, str]]) -> str:
    """Return rows as a Markdown table."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([row[head] for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
