"""Which kernels does a training step spend its time in? A profile of some steps."""

import argparse
import csv
from pathlib import Path
from typing import Any

import torch
from ours import SeenEnoughError, overrides_of, wait_for, watch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from pets_seg.machine.device import resolve_device

WARM_UP = 15
LARGEST = 20
# Of a kernel's name, which can have a thousand characters of types.
WIDTH = 120


def profiled(case: str, device: torch.device, images: int, steps: int) -> list[dict[str, str]]:
    """Return a row for each of the kernels that took most time over `steps` steps; on a CPU, of the operations."""
    cuda = device.type == "cuda"
    profiler = profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU])
    taken = 0

    def after_step() -> None:
        nonlocal taken
        taken += 1
        if taken == WARM_UP:
            wait_for(device)
            profiler.start()
        elif taken == WARM_UP + steps:
            wait_for(device)
            profiler.stop()
            raise SeenEnoughError

    watch(overrides_of(case), device, images, after_step)
    kind = DeviceType.CUDA if cuda else DeviceType.CPU
    found = [event for event in profiler.key_averages() if event.device_type == kind and not _is_note(event)]
    times = {id(event): event.self_device_time_total if cuda else event.self_cpu_time_total for event in found}
    total = sum(times.values())
    return [
        {
            "kernel": " ".join(event.key.split())[:WIDTH],
            "ms a step": f"{times[id(event)] / 1000 / steps:.4f}",
            "share": f"{100 * times[id(event)] / total:.1f} %",
            "calls a step": f"{event.count / steps:.1f}",
        }
        for event in sorted(found, key=lambda event: -times[id(event)])[:LARGEST]
    ]


def _is_note(event: Any) -> bool:
    """Return whether an event is a span that somebody named, and no kernel."""
    return bool(getattr(event, "is_user_annotation", False)) or event.key.startswith(("Optimizer.", "ProfilerStep"))


def main() -> None:
    """Write the table as a CSV file and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("csv", type=Path)
    add("--case", default="unet 64 128", help="network, width and side in pixels")
    add("--device", type=resolve_device, default="auto")
    add("--steps", type=int, default=20, help="to profile")
    add("--images", type=int, default=2128, help="of an epoch")
    arguments = vars(parser.parse_args())
    path = arguments.pop("csv")
    rows = profiled(**arguments)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(*row.values(), sep="  ")


if __name__ == "__main__":
    main()
