"""The jobs of a sweep, for the page that shows how far they are."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from pets_seg.command.jobs import chosen_later
from pets_seg.machine import cuda
from pets_seg.report import live
from pets_seg.report.progress import LiveJob


def begin(config: DictConfig, jobs: Sequence[DictConfig], words: Sequence[str]) -> None:
    """Let the runs of a sweep show how far they are; `words` are those of each job that not all jobs have."""
    # Runs that a sweeper chooses later, or that another machine names, are known when they are there.
    unknown = chosen_later(config.hydra) or (cuda.elsewhere and any(job.train.precision == "auto" for job in jobs))
    shown = {} if unknown else {job.hydra.sweep.subdir: (job, text) for job, text in zip(jobs, words, strict=True)}
    live.begin(
        Path(config.hydra.sweep.dir),
        [LiveJob(run, _label(text), job.seed, job.train.epochs) for run, (job, text) in shown.items()],
    )


def _label(words: str) -> str:
    return " ".join(word for word in words.split(" ") if not word.startswith("seed="))
