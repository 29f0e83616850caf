"""What is checked of a whole sweep before its first job starts."""

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from pets_seg.command import search
from pets_seg.command.engines import check_launcher
from pets_seg.command.jobs import adds_seeds, compose_jobs
from pets_seg.command.prepare import check_job, check_task
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, printable
from pets_seg.machine.files import absolute
from pets_seg.machine.world import this_world
from pets_seg.run_folder.design import refuse_design
from pets_seg.run_folder.lock import check_writable
from pets_seg.run_folder.search import read_search

RUN_NAME = "${run_name:}"
# What all jobs of a sweep have in common.
OF_THE_SWEEP = ("name", "task", "dry_run")


def checked_jobs(config: DictConfig) -> list[DictConfig]:
    """Compose the jobs of a sweep, or what is known of jobs that are chosen later; InputError for what is wrong."""
    if this_world().size > 1:
        raise InputError("-m: a sweep is one process; start runs by torchrun, or unset TORCHELASTIC_RUN_ID")
    check_launcher(config.hydra)
    jobs = compose_jobs(config)
    if config.hydra.sweeper._target_ == search.TARGET:
        jobs += search.prepare(config)
    if adds_seeds(config.hydra):
        # It imports pandas, which takes half a second.
        from pets_seg.command import sequential

        jobs += sequential.prepare(config)
    for key in OF_THE_SWEEP:
        if any(job.get(key) != config.get(key) for job in jobs):
            raise InputError(f"{key}: is that of the whole sweep and cannot be swept over; give one {key}")
    check_task(config, sweep=True)
    for job in jobs:
        check_job(job)
    return jobs


def check_trainings(config: DictConfig, jobs: Sequence[DictConfig]) -> None:
    """Raise InputError for what is wrong with what the jobs of a sweep of trainings have in common."""
    from pets_seg.report.wandb_report import check_account
    from pets_seg.tracking.tracker import check_tracker

    check_tracker(plain(config.tracker), True)
    if config.report.wandb:
        check_account()
    for job in jobs:
        # A sweep's runs are sought in its own folder. What the name is, a job elsewhere finds out there.
        if (folder := plain(job.hydra.sweep, resolve=False)["subdir"]) != RUN_NAME:
            raise InputError(f"hydra.sweep.subdir={folder}: must be the run's name; set hydra.sweep.dir instead")
        if (folder := job.hydra.sweep.dir) != config.hydra.sweep.dir:
            raise InputError(
                f"hydra.sweep.dir={folder}: must be one folder for all jobs of a sweep; leave out what differs"
            )
    folder = Path(config.hydra.sweep.dir)
    check_writable(folder)
    if not adds_seeds(config.hydra):
        refuse_design(folder)
    # The report could not be made at the end.
    if read_search(folder) and config.report.wandb:
        raise InputError(
            f"report.wandb=true: {folder} holds a search, whose trials are no seeds; give another name=..."
        )


def check_outputs(jobs: Sequence[DictConfig]) -> None:
    """Raise InputError if two jobs of a sweep write into one output; without one each has its own or there is none."""
    seen = set()
    for job in jobs:
        if job.output is None:
            continue
        output = os.path.realpath(absolute(job.output))
        if output in seen:
            raise InputError(
                f"output={printable(job.output)}: is that of several jobs, of which each would replace what another "
                "made; give each its own, e.g. with ${...} of what is swept over in it"
            )
        seen.add(output)
