"""The plugin that Hydra calls with the jobs of a sweep."""

import importlib
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, filter_overrides
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from .application import Application
from .pool import Job, Pool
from .slots import Slot, find_slots, is_count
from .worker import Task

# Hydra takes plugins from the package hydra_plugins alone.
PLACE = "hydra_plugins.local_launcher"


@dataclass
class LocalConf:
    """The settings of hydra.launcher."""

    _target_: str = f"{PLACE}.LocalLauncher"
    # Jobs side by side: auto is jobs_per_gpu for each GPU or, without one, as many as there are cores.
    slots: Any = "auto"
    jobs_per_gpu: Any = 1
    # Failures after which no further job starts; null: three in a row that fail alike within 10 s of their start.
    stop_after: Any = None


class LocalLauncher(Launcher):
    """Runs the jobs of a sweep in the slots of this machine."""

    __module__ = PLACE
    application = Application()
    # The pool of this process. A sweep may make launchers one after the other, whose workers need not stay.
    current: ClassVar[Pool | None] = None

    def __init__(self, slots: int | str = "auto", jobs_per_gpu: int = 1, stop_after: int | None = None) -> None:
        self.slots, self.stop_after = check(slots, jobs_per_gpu, stop_after), stop_after
        self.pool: Pool | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra hands over before the jobs are known."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs and return what each gave, in order. The workers stay for the next call.

        Raises KeyboardInterrupt, with the signal as its attribute `signal`, if the jobs were asked to end.
        """
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        folder = Path(str(self.config.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        seconds = self.application.prepare(self.config, job_overrides) or [None] * len(job_overrides)
        words = [list(filter_overrides(job)) for job in job_overrides]
        common = set.intersection(*map(set, words)) if len(words) > 1 else set()
        jobs = [
            Job(initial_job_idx + index, list(job), " ".join(w for w in words[index] if w not in common), expected)
            for index, (job, expected) in enumerate(zip(job_overrides, seconds, strict=True))
        ]
        compose = partial(self.hydra_context.config_loader.load_sweep_config, self.config)
        if self.pool is None:
            before, earlier = LocalLauncher.current, []
            if before:
                before.close()
                earlier = before.all_jobs if before.progress.path.parent == folder else []
            self.pool = LocalLauncher.current = Pool(
                self.slots, self._task(), compose, self.application, self.config, self.stop_after, earlier
            )
        return self.pool.run(jobs)

    def _task(self) -> Task:
        """Return what a worker needs to run a job of this sweep."""
        module, path = _place_of(self.task_function)
        context, instances = self.hydra_context, Singleton.get_state()["instances"]
        state = pickle.dumps((self.config, context.config_loader, context.callbacks, instances))
        return Task(module, path, state)


def check(slots: int | str, jobs_per_gpu: int, stop_after: int | None) -> list[Slot]:
    """Return the slots that these settings give on this machine; HydraException for settings that cannot be."""
    if not hasattr(os, "setsid"):
        raise HydraException("hydra/launcher=local: needs Linux or macOS; leave it out")
    if stop_after is not None and not is_count(stop_after):
        raise HydraException(f"hydra.launcher.stop_after={stop_after}: must be null or a number of failures, 1 or more")
    return find_slots(slots, jobs_per_gpu)


def register(application: Application | None = None) -> None:
    """Make `hydra/launcher=local` known to Hydra; to be called when the application's module is imported."""
    LocalLauncher.application = application or Application()
    try:
        parent = importlib.import_module("hydra_plugins")
    except ImportError:
        parent = sys.modules["hydra_plugins"] = ModuleType("hydra_plugins")
        parent.__path__ = []
    name = PLACE.rpartition(".")[2]
    sys.modules[PLACE] = sys.modules[__name__]
    setattr(parent, name, sys.modules[__name__])
    Plugins.instance().register(LocalLauncher)
    ConfigStore.instance().store(group="hydra/launcher", name="local", node=LocalConf, provider="local_launcher")


def _place_of(function: Any) -> tuple[str, list[str]]:
    """Return the module of a function and the attributes that lead to it, which another process can follow.

    A decorator such as Hydra's own leaves the function as `__wrapped__` of what has its name.
    """
    names = [*function.__qualname__.split(".")]
    found: Any = sys.modules[function.__module__]
    for name in names:
        found = getattr(found, name, None)
    while found is not None and found is not function:
        found = getattr(found, "__wrapped__", None)
        names.append("__wrapped__")
    if found is None:
        raise HydraException(
            f"hydra/launcher=local: {function.__qualname__} cannot be imported by another process; define the task "
            "function in a module, by its own name"
        )
    return function.__module__, names
