"""What each task reads; another key on the command line would be swallowed, and is refused."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from omegaconf import DictConfig, OmegaConf

from pets_seg.command.arguments import key_of
from pets_seg.command.sweeps import CONFIG_NAME, listed
from pets_seg.config.groups import GROUPS
from pets_seg.config.options import own_file
from pets_seg.config.schema import Root, rules
from pets_seg.errors import InputError

# Hydra's own settings have an effect in every task, but only training makes run folders and a copy of figures.
COMMON = "hydra* !hydra.run.* !hydra.sweep.* !hydra.output_subdir"
# By task: what it does, and the keys that it reads (* stands for any signs, ! takes a key out).
TASKS = {
    "train": (
        "trains a network, or continues the run that the same command began",
        "* !split !runs !predict !predict.* !export !export.* !demo !demo.* !serve !format !input !output !overwrite",
    ),
    "evaluate": (
        "scores a run with the settings that it was trained with",
        "task checkpoint split allow_trained data data.* !data.size !data.boundary !data.normalisation "
        f"!data.train_fraction train.device model metric metric.* {COMMON}",
    ),
    "predict": (
        "segments photographs with the network of a checkpoint",
        f"task checkpoint input output overwrite predict predict.* model train.device {COMMON}",
    ),
    "export": (
        "writes the network of a checkpoint into one file",
        "task checkpoint output overwrite format export export.* model data data.* !data.size !data.boundary "
        f"!data.normalisation !data.train_fraction {COMMON}",
    ),
    "demo": (
        "builds a page that runs the network of a checkpoint in a browser",
        "task checkpoint output overwrite serve demo demo.* export export.* model data data.* !data.size "
        f"!data.boundary !data.normalisation !data.train_fraction {COMMON}",
    ),
    "preview": (
        "draws what an aug option does to training images",
        f"task name seed experiment aug aug.* !aug.keep_original data data.* !data.normalisation {COMMON}",
    ),
    "report": (
        "compares runs that are there",
        f"task runs report report.* model data tracker.project {COMMON}",
    ),
}
# The second is the word of older versions.
NO_COPY = ("tracker=none", "tracker.mode=disabled")
# Keys that only a sweep reads (in training, what its report shows too).
SWEEPS = "hydra.sweep.* hydra.sweeper hydra.sweeper.* hydra/sweeper hydra.launcher hydra.launcher.* hydra/launcher"


def check_words(task: str, words: Sequence[str], sweep: bool) -> None:
    """Raise InputError for a key of overrides that `task` does not read, in a sweep or outside one."""
    for word in words:
        key = key_of(word)
        # No task makes a copy where none is wanted.
        if not reads(task, key) and word not in NO_COPY:
            raise InputError(_no_place(task, key))
        if sweep and key.startswith("hydra.run."):
            raise InputError(f"{key}: has no effect on a sweep; hydra.sweep.dir is the folder of one")
        if not sweep and (_matches(SWEEPS, key) or (task == "train" and _matches("report report.* closing", key))):
            places = " and ".join(["a sweep (-m)", *_others(task, key)])
            raise InputError(f"{key}: has no effect on a single run; it is for {places}")


def check_files(config: DictConfig) -> None:
    """Raise InputError for what a chosen file sets or sweeps over and neither training nor the task reads.

    A file may set what only training reads, and be used with another task.
    """
    task = config.task.name
    for key, default in own_file(CONFIG_NAME).items():
        unread = key in rules(Root) and key not in GROUPS and not reads("train", key) and not reads(task, key)
        if unread and (OmegaConf.select(config, key) != default or key in listed(config)):
            raise InputError(f"{_no_place(task, key)}; remove it from the chosen file or the composed configuration")


def reads(task: str, key: str) -> bool:
    """Return whether `task` reads `key`, a group or a setting."""
    return _matches(TASKS[task][1], key)


def _no_place(task: str, key: str) -> str:
    others = "; it is for " + " and ".join(_others(task, key)) if _others(task, key) else ""
    return f"{key}: has no place with task={task}, which {TASKS[task][0]}{others}"


def _others(task: str, key: str) -> list[str]:
    return [f"task={other}" for other in TASKS if other != task and reads(other, key)]


def _matches(patterns: str, name: str) -> bool:
    matching = [pattern for pattern in patterns.split() if fnmatchcase(name, pattern.removeprefix("!"))]
    return bool(matching) and not any(pattern.startswith("!") for pattern in matching)
