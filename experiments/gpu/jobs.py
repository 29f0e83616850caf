"""Images a second of several small jobs at once on one device, beside one alone."""

import argparse
import csv
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import torch
from ours import SeenEnoughError, overrides_of, wait_for, watch

from pets_seg.machine.device import resolve_device

BATCH = 16
IMAGES = 20 * 2128
WARM_UP = 30
# In seconds; a job that does not come leaves the others waiting.
PATIENCE = 60


def together(count: int, case: str, device: torch.device, seconds: float) -> list[float]:
    """Return the images a second of each of `count` jobs that train at the same time."""
    context = multiprocessing.get_context("spawn")
    barrier, paces = context.Barrier(count), context.Queue()
    # Each loads its libraries at its own pace, and is measured when all are at work.
    jobs = [context.Process(target=job, args=(barrier, paces, count, case, device, seconds)) for _ in range(count)]
    for one in jobs:
        one.start()
    for one in jobs:
        one.join()
    if any(one.exitcode for one in jobs):
        raise RuntimeError(f"of {count} jobs at once some failed")
    return [paces.get() for _ in jobs]


def job(barrier: Any, paces: Any, count: int, case: str, device: torch.device, seconds: float) -> None:
    """Train until `seconds` have passed since all jobs were warm, and put the images a second into `paces`."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    steps, started = 0, 0.0

    def after_step() -> None:
        nonlocal steps, started
        steps += 1
        if steps == WARM_UP:
            wait_for(device)
            barrier.wait(PATIENCE)
            started = time.perf_counter()
        elif steps > WARM_UP and time.perf_counter() - started > seconds:
            wait_for(device)
            paces.put((steps - WARM_UP) * BATCH / (time.perf_counter() - started))
            # Nobody may have the device for himself at the end.
            barrier.wait(PATIENCE)
            raise SeenEnoughError

    # Long epochs, so that none is validated in between.
    watch([*overrides_of(case), f"train.batch_size={BATCH}"], device, IMAGES, after_step)


def main() -> None:
    """Print the images a second of each number of jobs, and write them into a CSV file."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("csv", type=Path)
    add("--case", default="unet 16 64", help="network, width and side in pixels")
    add("--jobs", type=int, nargs="+", default=[1, 8])
    add("--device", type=resolve_device, default="auto")
    add("--seconds", type=float, default=4.0, help="to measure for")
    arguments = parser.parse_args()
    with open(arguments.csv, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("case", "jobs", "images_per_second"))
        for count in arguments.jobs:
            paces = together(count, arguments.case, arguments.device, arguments.seconds)
            writer.writerow((arguments.case, count, sum(paces)))
            file.flush()
            each = f"{min(paces):.0f} to {max(paces):.0f}"
            print(f"{arguments.case}: {count} jobs, {sum(paces):.0f} images/s, each {each}", flush=True)


if __name__ == "__main__":
    main()
