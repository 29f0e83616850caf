"""How far a sweep is: which job is at work, what has passed, and about how long the others will take."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from pets_seg.config.groups import IDENTITY
from pets_seg.config.plain import plain
from pets_seg.machine.terminal import duration
from pets_seg.run_folder.pace import Machine, Paces, Work

log = logging.getLogger("pets_seg")


class Schedule:
    """The jobs of a sweep, in order, and their swept settings.

    `announce` prints the line before the first job, `begin` that of each job, and `after_epoch` how long the sweep will
    take, once in a job that is like none before it.
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
        about, part, self.told = self._left(0)
        known = f", {about}{part or ' in all'} by what earlier runs took here" if about else ""
        print(f"{_jobs(len(self.work))}{known}")

    def begin(self, number: int) -> None:
        """Print the line of a job; the first one is number 0."""
        self.number = number
        line = f"job {number + 1}/{len(self.work)}"
        # Before the first one it was just said.
        if number:
            about, part, self.told = self._left(number)
            done = f"{duration(time.monotonic() - self.started)} done"
            line += f", {done}, {about} left{part}" if about else f", {done}"
        print(f"\n{line}: {self.swept[number]}" if self.swept[number] else f"\n{line}")

    def after_epoch(self) -> None:
        """Print how long the jobs will take if the first epoch of the current one is what shows it."""
        if self.told:
            return
        self.told = True
        about, part, _ = self._left(self.number)
        if about:
            whole = "" if self.number else f" for all {_jobs(len(self.work))}"
            # By the log, which keeps clear of a bar.
            log.info(f"{about} left{part or whole}")

    def _left(self, first: int) -> tuple[str, str, bool]:
        """Return about how long the jobs from number `first` on take, for which part of them, if not for all, is known.

        And whether the first of them is known. The time is "" if none is.
        """
        # Jobs may be the same run, which is trained once.
        once = {item.folder: item for item in self.work[first:]}
        seconds = self.paces.seconds_left([*once.values()])
        known = [value for value in seconds if value is not None]
        about = f"about {duration(round(sum(known)))}" if any(known) else ""
        part = f" for {len(known)} of {_jobs(len(seconds))}" if len(known) < len(seconds) else ""
        return about, part, seconds[0] is not None


def plan(jobs: Sequence[DictConfig]) -> Schedule:
    """Return the schedule of composed jobs, whose images must be decoded already."""
    import torch

    from pets_seg.data import count_images
    from pets_seg.machine.device import describe_device, resolved

    counts: dict[str, dict[str, int]] = {}
    work = []
    for job in jobs:
        part = OmegaConf.masked_copy(job, [*IDENTITY, "existing"])
        config, device = resolved(plain(part))
        if (data := str(config["data"])) not in counts:
            counts[data] = count_images(config["data"])
        folder = Path(job.hydra.sweep.dir) / job.hydra.sweep.subdir
        work.append(Work(folder, config, counts[data], Machine(describe_device(device), torch.get_num_threads())))
    given = [[str(item) for item in job.hydra.overrides.task] for job in jobs]
    common = set.intersection(*map(set, given))
    swept = [" ".join(item for item in items if item not in common) for items in given]
    return Schedule(work, swept, Paces(Path(jobs[0].hydra.sweep.dir).parent))


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
