"""What happens before Hydra makes any folder, and after a sweep's last job."""

import copy
import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from pets_seg.config import run_name
from pets_seg.errors import InputError
from pets_seg.messages import exit_code, one_line, traceback_wanted
from pets_seg.world import this_world


class Hooks(Callback):
    """Checks every job before the first one starts; ends a sweep with the table of its jobs.

    Hydra turns an Exception of a callback into a warning, so a refusal ends the process.
    """

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.all_well = True

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the one job."""

        def prepare() -> None:
            if this_world().size > 1 and config.task.name != "train":
                raise InputError(f"task={config.task.name}: runs in one process; start it without torchrun")
            _prepare(config)
            # The others would meet the lock of the first, which asks for all.
            if config.task.name == "train" and this_world().first:
                from pets_seg.tracking.lock import check_free

                check_free(Path(config.hydra.run.dir))

        _or_exit(prepare)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all jobs of the sweep."""

        def prepare() -> None:
            if this_world().size > 1:
                raise InputError("a sweep runs in one process, job by job; torchrun is for one run: start them singly")
            jobs = _jobs(config)
            if len({job.name for job in jobs}) > 1:
                raise InputError("name: is that of the whole sweep and cannot be swept over; give one name")
            for job in jobs:
                _prepare(job)
            if config.task.name == "train":
                self.runs = [run_name(job) for job in jobs]
                from pets_seg.tracking.lock import check_writable

                check_writable(Path(config.hydra.sweep.dir))

        _or_exit(prepare)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Remember whether a job failed: `pets_seg.run` then returns None."""
        self.all_well &= job_return.return_value is not None

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write runs.csv, show what became of every job and how they compare; exit code 1 if any failed."""
        if config.task.name == "train":
            from pets_seg.report.sweep import report_sweep

            self.all_well &= _or_exit(lambda: report_sweep(Path(config.hydra.sweep.dir), self.runs))
        if config.closing and self.all_well and config.task.name == "train":
            python = Path(sys.executable)
            python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
            print(f"\n{config.closing.strip()}".replace("{python}", str(python)))
        if not self.all_well:
            sys.exit(1)


def _jobs(config: DictConfig) -> list[DictConfig]:
    """Compose the jobs of a sweep as Hydra's own sweeper will; another sweeper chooses them later, one by one."""
    if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
        return [config]
    loader = GlobalHydra.instance().config_loader()
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*params, *config.hydra.overrides.task])
    [jobs] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [loader.load_sweep_config(config, job) for job in jobs]


def _prepare(config: DictConfig) -> None:
    task = importlib.import_module(f"pets_seg.tasks.{config.task.name}")
    bare = copy.deepcopy(config)
    with read_write(bare), open_dict(bare):
        del bare["hydra"]
    task.prepare(bare, overrides=list(config.hydra.overrides.task))


def _or_exit(call: Any) -> Any:
    try:
        return call()
    except Exception as error:
        if traceback_wanted:
            traceback.print_exc()
        # Processes that train together find the same fault.
        if this_world().first:
            print(one_line(error), file=sys.stderr)
        sys.exit(exit_code(error))
