"""The jobs of a sweep, for the page that shows how far they are."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from pets_seg.command.jobs import chosen_later
from pets_seg.machine import cuda
from pets_seg.report.at_work import enter
from pets_seg.report.progress import Job


def begin(config: DictConfig, jobs: Sequence[DictConfig], words: Sequence[Sequence[str]]) -> None:
    """Let the runs of a sweep show how far they are; `words` are those of each job, if it is known which there are."""
    # Runs that a sweeper chooses later, or that another machine names, are known when they are there.
    unknown = chosen_later(config.hydra) or (cuda.elsewhere and any(job.train.precision == "auto" for job in jobs))
    shown = {} if unknown else {job.hydra.sweep.subdir: (job, given) for job, given in zip(jobs, words, strict=True)}
    enter(
        Path(config.hydra.sweep.dir),
        [Job(run, tuple(given), job.seed, job.train.epochs) for run, (job, given) in shown.items()],
    )
