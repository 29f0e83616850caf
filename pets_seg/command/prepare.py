"""What is checked of a job before any begins."""

import copy
import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from pets_seg.command.loading import loading
from pets_seg.command.reads import TASKS, check_files, check_words
from pets_seg.config.checks import check_setting
from pets_seg.config.plain import plain, plain_parts
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError
from pets_seg.machine.world import this_world

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


def check_task(config: DictConfig, sweep: bool) -> str:
    """Return the task of a command; InputError for another one, and for words of the command that it does not read."""
    name = OmegaConf.select(config, "task.name")
    if name not in TASKS:
        raise InputError(f"task.name={str(name)[:100]}: must be one of {', '.join(TASKS)}")
    if this_world().size > 1 and name != "train":
        raise InputError(f"task={name}: runs in one process; torchrun is for task=train")
    check_words(name, [*plain(config.hydra.overrides.hydra, resolve=False), *words_given(config)], sweep)
    return name


def check_job(config: DictConfig) -> None:
    """Raise InputError for what is wrong with a job whatever its task is."""
    check_files(config)
    hydra = config.hydra
    for variable in hydra.job.env_set:
        if SECRET.search(str(variable)):
            raise InputError(
                f"hydra.job.env_set.{variable}: would be written into the run folder; set {variable} in the "
                "environment of the command instead"
            )
    if hydra.output_subdir is not None and Path(hydra.output_subdir).name != hydra.output_subdir:
        raise InputError(f"hydra.output_subdir={hydra.output_subdir}: must be the name of a folder, or null")
    if hydra.job.chdir:
        raise InputError("hydra.job.chdir=true: is not supported: paths are relative to the start folder; leave it out")


def prepare_job(config: DictConfig) -> None:
    """Raise InputError for what is wrong with the task of a job, and prepare it."""
    with loading("loading PyTorch"):
        task = importlib.import_module(f"pets_seg.command.tasks.{config.task.name}")
    task.prepare(without_hydra(config), overrides=words_given(config))


def prepare_jobs(jobs: Sequence[DictConfig]) -> None:
    """Prepare the tasks of all jobs of a sweep; of those that differ in nothing but the seed, the first.

    Raises InputError for what is wrong with any.
    """
    prepared: set[str] = set()
    for job in jobs:
        try:
            settings = plain_parts(job, [str(key) for key in job if key not in ("hydra", "seed")])
        except (OmegaConfBaseException, RecursionError):
            # The task says which one cannot be resolved.
            settings = {"job": len(prepared)}
        known = json.dumps(settings, sort_keys=True, default=str)
        if known in prepared:
            check_setting("seed", job.seed, rules(Root)["seed"])
        else:
            prepare_job(job)
            prepared.add(known)


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a configuration without the part that is Hydra's own."""
    bare = copy.deepcopy(config)
    with read_write(bare), open_dict(bare):
        del bare["hydra"]
    return bare


def words_given(config: DictConfig) -> list[str]:
    """Return the words of the command line for a job."""
    # As they were written: a ${...} in one is to be resolved where its value stands, not here.
    return plain(config.hydra.overrides.task, resolve=False)
