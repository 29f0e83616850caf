"""What each task reads; another key on the command line would be swallowed, and is refused."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from pets_seg.command.sweeps import CONFIG_NAME, listed
from pets_seg.config.groups import GROUPS
from pets_seg.config.plain import plain
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError

# Hydra's own settings have an effect in every task, but only training makes run folders.
HYDRA = "hydra* !hydra.run.* !hydra.sweep.* !hydra.output_subdir"
# No other task makes a copy of figures, so that this is true of all.
NO_COPY = "tracker.mode=disabled"
# By task: what it does, and the keys that it reads (* stands for any signs, ! takes a key out).
TASKS = {
    "train": (
        "trains from fresh weights, or continues the run that the same command began",
        "* !checkpoint !split !runs",
    ),
    "evaluate": (
        "scores a run with the settings that it was trained with",
        "task checkpoint split data data.root data.download data.split_seed data.skip_bad data.cache_dir train.device "
        "model metric metric.* "
        f"{NO_COPY} {HYDRA}",
    ),
    "preview": (
        "draws what an aug option does to training images",
        f"task name seed experiment aug aug.* !aug.keep_original data data.* !data.normalisation {NO_COPY} {HYDRA}",
    ),
    "report": (
        "compares runs that are there",
        f"task runs report report.* model data tracker.project {NO_COPY} {HYDRA}",
    ),
}
# Keys that only a sweep reads (in training, what its report shows too), and those that only a single run reads.
SWEEPS = "hydra.sweep.* hydra.sweeper hydra.sweeper.* hydra/sweeper hydra.launcher hydra.launcher.* hydra/launcher"
REPORTS = "report report.* closing"
SINGLE = "hydra.run.*"


def check_keys(config: DictConfig, sweep: bool) -> None:
    """Raise InputError for a key of the command line that its task does not read, of which nothing would be heard."""
    for words in config.hydra.overrides.values():
        check_words(config.task.name, plain(words, resolve=False), sweep)


def check_words(task: str, words: Sequence[str], sweep: bool) -> None:
    """Raise InputError for a key of overrides that `task` does not read, in a sweep or outside one."""
    for word in words:
        key = word.lstrip("+~").partition("=")[0].partition("@")[0]
        if not reads(task, key) and word not in TASKS[task][1].split():
            raise InputError(_no_place(task, key))
        if sweep and _matches(SINGLE, key):
            raise InputError(f"{key}: has no effect on a sweep; hydra.sweep.dir is the folder of one")
        if not sweep and _matches(SWEEPS, key):
            raise InputError(f"{key}: has no effect on a single run; it is for a sweep (-m)")
        if not sweep and task == "train" and _matches(REPORTS, key):
            others = "".join(f" and task={other}" for other in _readers(key) if other != task)
            raise InputError(f"{key}: has no effect on a single run; it is for a sweep (-m){others}")


def check_files(config: DictConfig) -> None:
    """Raise InputError for what a chosen file sets or sweeps over and neither training nor the task reads.

    A file may set what only training reads, and be used with another task.
    """
    task = config.task.name
    defaults = _defaults()
    others = [
        key
        for key in defaults
        if key in rules(Root) and key not in GROUPS and not reads("train", key) and not reads(task, key)
    ]
    changed = [key for key in others if OmegaConf.select(config, key) != defaults[key]]
    for key in [*changed, *(key for key in listed(config) if key in others)]:
        raise InputError(
            f"{_no_place(task, key)}; a chosen file, or a composed configuration, has it: take it out there"
        )


@cache
def _defaults() -> dict[str, Any]:
    return yaml.safe_load(resources.files("pets_seg.conf").joinpath(f"{CONFIG_NAME}.yaml").read_text(encoding="utf-8"))


def _no_place(task: str, key: str) -> str:
    does, patterns = TASKS[task]
    line = f"{key}: has no place with task={task}, which {does}"
    if readers := _readers(key):
        line += f"; it is for {' and '.join(f'task={reader}' for reader in readers)}"
    own = [pattern for pattern in patterns.split() if pattern != NO_COPY and pattern not in HYDRA.split()]
    takes = ", ".join(pattern for pattern in own if pattern[0] not in "*!")
    if left_out := ", ".join(pattern[1:] for pattern in own if pattern[0] == "!"):
        takes += f" (but not {left_out})"
    return f"{line}; task={task} takes {takes}" if patterns[0] != "*" else line


def _readers(key: str) -> list[str]:
    return [task for task in TASKS if reads(task, key)]


def reads(task: str, key: str) -> bool:
    """Return whether `task` reads `key`, a group or a setting."""
    return _matches(TASKS[task][1], key)


def _matches(patterns: str, name: str) -> bool:
    taken = [pattern for pattern in patterns.split() if fnmatchcase(name, pattern.removeprefix("!"))]
    return bool(taken) and not any(pattern.startswith("!") for pattern in taken)
