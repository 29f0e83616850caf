"""How far a sweep is: which job is running, what is done, and about how long the rest will take."""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pets_seg.command.jobs import swept
from pets_seg.config.groups import IDENTITY
from pets_seg.config.plain import plain_parts
from pets_seg.config.weights import with_digest
from pets_seg.launch import report
from pets_seg.machine.terminal import duration
from pets_seg.report import live
from pets_seg.run_folder.lock import is_held
from pets_seg.run_folder.pace import Machine, Work, seconds_left

log = logging.getLogger("pets_seg")


class Schedule:
    """The jobs of a sweep, in order, and their swept settings; times are estimated from the runs under `runs`."""

    # The one of this process. None outside a sweep, and in a launcher's other processes.
    current: "Schedule | None" = None

    def __init__(self, work: Sequence[Work], swept: Sequence[str], runs: Path) -> None:
        self.work, self.swept, self.runs = work, swept, runs
        self.started = time.monotonic()
        self.number = 0
        # Whether the time of the current job is in a line that was printed.
        self.announced = False

    def announce(self) -> None:
        """Print how many jobs there are and, if runs like them are known on this machine, how long they take."""
        time_left, part, self.announced = self._time_left(0)
        known = f", {time_left}{part or ' in all'} by what earlier runs took here" if time_left else ""
        print(f"{count_jobs(len(self.work))}{known}")

    def seconds(self) -> list[float | None]:
        """Return about how long each job will take; None where no similar run is known on this machine."""
        return seconds_left(self.runs, self.work)

    def begin(self, number: int) -> None:
        """Print the line of a job; the first one is number 0."""
        self.number = number
        line = f"job {number + 1}/{len(self.work)}"
        # Before the first job, `announce` has just printed it.
        if number:
            time_left, part, self.announced = self._time_left(number)
            line += f", {duration(time.monotonic() - self.started)} done"
            line += f", {time_left} left{part}" if time_left else ""
        print(f"\n{line}: {self.swept[number]}" if self.swept[number] else f"\n{line}")

    def after_first_epoch(self) -> None:
        """Log how long the jobs will take if only the first epoch of the current one shows it."""
        if self.announced:
            return
        self.announced = True
        time_left, part, _ = self._time_left(self.number, training=True)
        if time_left:
            whole = "" if self.number else f" for all {count_jobs(len(self.work))}"
            # By the log, which keeps clear of a progress bar.
            log.info(f"{time_left} left{part or whole}")

    def _time_left(self, first: int, training: bool = False) -> tuple[str, str, bool]:
        """Return about how long the jobs from number `first` on take, "" if unknown; `training` says if it has begun.

        Then for how many of them that is, "" if for all, and whether it is known for the first. Runs that other
        processes are training take no time here.
        """
        # Jobs may be the same run, which is trained once.
        runs = {item.folder: item for item in self.work[first:]}
        ours = self.work[first].folder if training else None
        own = [item for folder, item in runs.items() if folder == ours or not is_held(folder)]
        seconds = seconds_left(self.runs, own)
        known = [value for value in seconds if value is not None]
        time_left = f"about {duration(round(sum(known)))}" if any(known) else ""
        part = f" for {len(known)} of {count_jobs(len(runs))}" if len(known) < len(runs) else ""
        return time_left, part, not seconds or seconds[0] is not None


def tell_of_epoch(row: Mapping[str, Any], epochs: int, sweep: Path | None) -> None:
    """Tell how far a run is: the launcher of this process, the page of its sweep in the folder `sweep`, the user."""
    if sweep:
        live.refresh(sweep)
    report(epoch=f"{row['epoch']}/{epochs}", dice=row["val/dice"], done=row["epoch"] / epochs)
    if Schedule.current:
        Schedule.current.after_first_epoch()


def plan(jobs: Sequence[DictConfig], threads: int | None = None) -> Schedule:
    """Return the schedule of composed jobs, whose images must be decoded already.

    `threads` is the number of threads of each; None: as many as this process has.
    """
    from pets_seg.data import count_images

    counts: dict[str, dict[str, int]] = {}
    work = []
    for job in jobs:
        config = plain_parts(job, [*IDENTITY, "existing"])
        if (data := str(config["data"])) not in counts:
            counts[data] = count_images(config["data"])
        work.append(work_of(config, Path(job.hydra.sweep.dir) / job.hydra.sweep.subdir, counts[data], threads))
    given = [[str(item) for item in job.hydra.overrides.task] for job in jobs]
    return Schedule(work, swept(given), Path(jobs[0].hydra.sweep.dir).parent)


def work_of(
    config: Mapping[str, Any],
    folder: Path,
    images: Mapping[str, int],
    threads: int | None = None,
    processes: int = 1,
) -> Work:
    """Return the run of a configuration, plain values, as work for this machine, with the images of each split.

    `threads` is the number of its threads; None: as many as this process has.
    """
    import torch

    from pets_seg.machine.device import describe_device, resolved

    config, device = resolved(with_digest(config))
    return Work(folder, config, images, Machine(describe_device(device), threads or torch.get_num_threads(), processes))


def count_jobs(count: int) -> str:
    """Return a number of jobs in words."""
    return "1 job" if count == 1 else f"{count} jobs"
