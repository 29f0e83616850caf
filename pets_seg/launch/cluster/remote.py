"""A job of a sweep as a process on another machine runs it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict


@dataclass(frozen=True)
class Remote:
    """Runs any job of one sweep: called with the job's words, its number and the cluster's name for it."""

    context: HydraContext
    task: TaskFunction
    config: DictConfig
    instances: dict[type, Any]
    # Where the command was started; paths of the configuration are relative to it.
    folder: str

    def __call__(self, words: Sequence[str], number: int, name: str) -> JobReturn:
        """Return what Hydra returns for a job."""
        os.chdir(self.folder)
        Singleton._instances.update(self.instances)
        setup_globals()
        config = self.context.config_loader.load_sweep_config(self.config, list(words))
        with open_dict(config):
            config.hydra.job.id, config.hydra.job.num = name, number
        return run_job(
            hydra_context=self.context,
            task_function=self.task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


class RemoteLauncher(Launcher):
    """Holds what a sweep's jobs have in common. `launch` of a subclass starts them and waits for all."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra hands over before the jobs are known."""
        self.config = config
        # The plugins of the other process are its own.
        instances = {kind: it for kind, it in Singleton.get_state()["instances"].items() if kind is not Plugins}
        self.remote = Remote(hydra_context, task_function, config, instances, os.getcwd())

    def begin(self, jobs: Sequence[Sequence[str]], first: int) -> None:
        """Print of each job what not all have; their numbers are those from `first` on."""
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        words = [[*filter_overrides(job)] for job in jobs]
        common = set.intersection(*map(set, words)) if len(words) > 1 else set()
        for number, own in enumerate(words, first):
            print(f"job {number}: {' '.join(word for word in own if word not in common)}")


def lost(words: Sequence[str]) -> JobReturn:
    """Return what stands for the result of a job that gave none. An exception would end the sweep for all others."""
    result = JobReturn(overrides=list(words), status=JobStatus.COMPLETED)
    result.return_value = None
    return result
