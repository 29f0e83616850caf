"""How far a sweep is: which job is at work, what has passed, and about how long the others will take."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pets_seg.config import IDENTITY
from pets_seg.terminal import duration
from pets_seg.tracking.pace import Machine, Paces, Work

log = logging.getLogger("pets_seg")


class Schedule:
    """The jobs of a sweep, in order, and their swept settings.

    `announce` prints the line before the first job, `begin` that of each job, and `after_epoch` how long the sweep will
    take, once, if that was not known before.
    """

    # The one of this process: jobs tell it of their epochs. None outside a sweep, and in a launcher's other processes.
    current: "Schedule | None" = None

    def __init__(self, work: Sequence[Work], swept: Sequence[str], paces: Paces) -> None:
        self.work, self.swept, self.paces = work, swept, paces
        self.started = time.monotonic()
        self.number = 0
        self.told = False

    def announce(self) -> None:
        """Print how many jobs there are and, if runs like them are known on this machine, how long they take."""
        left = self._left(0)
        self.told = bool(left)
        print(f"{_jobs(len(self.work))}{f', {left} in all by what earlier runs took here' if left else ''}")

    def begin(self, number: int) -> None:
        """Print the line of a job; the first one is number 0."""
        self.number = number
        line = f"job {number + 1}/{len(self.work)}"
        # Before the first one it was just said.
        if number:
            left = self._left(number)
            self.told |= bool(left)
            line += f", {duration(time.monotonic() - self.started)} done" + (f", {left} left" if left else "")
        print(f"\n{line}: {self.swept[number]}" if self.swept[number] else f"\n{line}")

    def after_epoch(self) -> None:
        """Print how long all jobs will take if the first epoch of the sweep is what shows it."""
        if not self.told:
            self.told = True
            if left := self._left(self.number):
                # By the log, which keeps clear of a bar.
                log.info(f"{left} left for {'all ' if len(self.work) > 1 else 'the '}{_jobs(len(self.work))}")

    def _left(self, first: int) -> str:
        """Return about how long the jobs from number `first` on take; nothing if no run like them is known."""
        # Jobs may be the same run, which is trained once.
        once = {item.folder: item for item in self.work[first:]}
        seconds = self.paces.seconds_left([*once.values()])
        known = [value for value in seconds if value is not None]
        if not any(known):
            return ""
        unknown = len(seconds) - len(known)
        return f"about {duration(round(sum(known)))}" + (f" and {_jobs(unknown)} of unknown length" if unknown else "")


def plan(jobs: Sequence[DictConfig]) -> Schedule:
    """Return the schedule of composed jobs, whose images must be decoded already."""
    import torch

    from pets_seg.data import count_images
    from pets_seg.training.precision import describe_device, resolve_device, resolve_precision

    device = resolve_device(jobs[0].train.device)
    counts: dict[str, dict[str, int]] = {}
    work = []
    for job in jobs:
        config = OmegaConf.to_container(OmegaConf.masked_copy(job, [*IDENTITY, "existing"]), resolve=True)
        config["train"]["precision"] = resolve_precision(job.train.precision, device)
        if (data := str(config["data"])) not in counts:
            counts[data] = count_images(config["data"])
        work.append(Work(Path(job.hydra.sweep.dir) / job.hydra.sweep.subdir, config, counts[data]))
    given = [[str(item) for item in job.hydra.overrides.task] for job in jobs]
    common = set.intersection(*map(set, given))
    swept = [" ".join(item for item in items if item not in common) for items in given]
    machine = Machine(describe_device(device), torch.get_num_threads())
    return Schedule(work, swept, Paces(Path(jobs[0].hydra.sweep.dir).parent, machine))


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
