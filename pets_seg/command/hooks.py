"""What happens before Hydra makes any folder, and after a sweep's last job."""

import copy
import importlib
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import InterpolationToMissingValueError

from pets_seg.command.jobs import chosen_later, compose_jobs
from pets_seg.command.loading import loading
from pets_seg.command.messages import exit_code, one_line, traceback_wanted
from pets_seg.command.reads import TASKS, check_files, check_keys
from pets_seg.config.identity import run_name
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, RunError
from pets_seg.machine.terminal import python
from pets_seg.machine.world import begun_by_torchrun, this_world

SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


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
            from pets_seg.command.schedule import Schedule

            Schedule.current = None
            if this_world().size > 1 and config.task.name != "train":
                raise InputError(
                    f"task={config.task.name}: runs in one process; start it without torchrun, "
                    "or unset TORCHELASTIC_RUN_ID"
                )
            _check_task(config)
            check_keys(config, sweep=False)
            check_files(config)
            _prepare(config)
            if config.task.name == "train":
                _check_folder("hydra.run.dir", config)
            # The others would meet the lock of the first, which asks for all.
            if config.task.name == "train" and this_world().first:
                from pets_seg.run_folder.lock import check_free

                check_free(Path(config.hydra.run.dir))
            # Before the run folder is made: the others may never come.
            if this_world().size > 1:
                from pets_seg.training.meeting import meet

                meet()

        _or_exit(prepare, code=2)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all jobs of the sweep."""

        def prepare() -> None:
            from pets_seg.command.schedule import Schedule, plan

            Schedule.current = None
            if this_world().size > 1:
                raise InputError(
                    "a sweep runs in one process, job by job; torchrun is for one run: start them singly, "
                    "or unset TORCHELASTIC_RUN_ID"
                )
            jobs = compose_jobs(config)
            for job in jobs:
                for key in ("name", "task"):
                    if job.get(key) != config.get(key):
                        raise InputError(f"{key}: is that of the whole sweep and cannot be swept over; give one {key}")
            _check_task(config)
            check_keys(config, sweep=True)
            for job in jobs:
                check_files(job)
                _prepare(job)
            if config.task.name == "train":
                from pets_seg.report.wandb_report import check_account
                from pets_seg.run_folder.lock import check_writable
                from pets_seg.tracking.tracker import check_tracker

                check_tracker(plain(config.tracker), True)
                if config.report.wandb:
                    check_account()
                if "${" in (folder := _folder("hydra.sweep.dir", config)):
                    raise InputError(f"hydra.sweep.dir={folder}: is one folder for all jobs; leave the job out of it")
                for job in jobs:
                    _check_folder("hydra.sweep.subdir", job)
                if not chosen_later(config):
                    # Jobs may be the same run, which the later one then finds finished.
                    self.runs = list(dict.fromkeys(run_name(job) for job in jobs))
                check_writable(Path(config.hydra.sweep.dir))
                # Another launcher runs jobs side by side, in processes of its own.
                if config.hydra.launcher._target_.endswith("BasicLauncher") and len(jobs) > 1:
                    Schedule.current = plan(jobs)
                    Schedule.current.announce()

        _or_exit(prepare, code=2)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Say which job of the sweep this is, and about how long the others will take."""
        if config.hydra.mode == RunMode.MULTIRUN:
            from pets_seg.command.schedule import Schedule

            if Schedule.current:
                Schedule.current.begin(config.hydra.job.num)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Remember whether a job failed: `pets_seg.run` then returns None. In a sweep, bring its tables up to date."""
        # Hydra prints a line of its own when the value of a failed job is asked for.
        self.all_well &= job_return.status == JobStatus.COMPLETED and job_return.return_value is not None
        if config.task.name == "train" and config.hydra.mode == RunMode.MULTIRUN:
            from pets_seg.command.tasks.report import read_sweep
            from pets_seg.report.tables import write_tables

            # They follow from the run folders: what cannot be written now, on a full disk, can be later.
            with suppress(RunError, InputError):
                write_tables(read_sweep(config)[0], Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write the report, show what became of every job and how they compare; exit code 1 if any failed."""
        from pets_seg.command.schedule import Schedule

        Schedule.current = None
        # Hydra 1.4 also comes here when a sweep was refused or interrupted.
        if sys.exc_info()[0]:
            return
        if config.task.name == "train":
            from pets_seg.command.tasks.report import end_sweep

            self.all_well &= _or_exit(lambda: end_sweep(config, self.runs), code=1)
        given = _given(config)
        # A file's own commands go on from its study as it stands there.
        fits = all(word.startswith("experiment=") for word in given) or any(w.startswith("closing=") for w in given)
        if config.closing and fits and self.all_well and config.task.name == "train":
            print(f"\n{config.closing.strip()}".replace("{python}", python()))
        if not self.all_well:
            sys.exit(1)


def _folder(key: str, config: DictConfig) -> str:
    """Return what `config` says for a folder of Hydra's; unresolved, if it depends on a job's number."""
    try:
        return str(OmegaConf.select(config, key))
    except InterpolationToMissingValueError:
        # Hydra numbers jobs when it starts them.
        group, _, name = key.rpartition(".")
        return str(plain(OmegaConf.select(config, group), resolve=False)[name])


def _check_folder(key: str, config: DictConfig) -> None:
    folder = _folder(key, config)
    # Another run could lie in a folder of another name, and would be taken for this one.
    if key == "hydra.run.dir" and Path(folder).name != run_name(config):
        raise InputError(f"{key}={folder}: must end in the run's name, as runs/${{name}}/${{run_name:}} does")
    # A sweep's runs are sought in its own folder.
    if key == "hydra.sweep.subdir" and folder != run_name(config):
        raise InputError(f"{key}={folder}: must be the run's name alone, ${{run_name:}}; hydra.sweep.dir says where")


def _check_task(config: DictConfig) -> None:
    name = OmegaConf.select(config, "task.name")
    if name not in TASKS:
        raise InputError(f"task.name={str(name)[:100]}: is one of {', '.join(TASKS)}")


def _prepare(config: DictConfig) -> None:
    for variable in config.hydra.job.env_set:
        if SECRET.search(str(variable)):
            raise InputError(
                f"hydra.job.env_set.{variable}: would be written into the run folder; set {variable} in the "
                "environment of the command instead"
            )
    subdir = config.hydra.output_subdir
    if subdir is not None and Path(subdir).name != subdir:
        raise InputError(f"hydra.output_subdir={subdir}: must be the name of a folder in the run folder, or null")
    if config.hydra.job.chdir:
        raise InputError("hydra.job.chdir=true: paths are those of the folder that the command starts in; leave it")
    bare = copy.deepcopy(config)
    with read_write(bare), open_dict(bare):
        del bare["hydra"]
    with loading("loading PyTorch"):
        task = importlib.import_module(f"pets_seg.command.tasks.{config.task.name}")
    task.prepare(bare, overrides=_given(config))


def _given(config: DictConfig) -> list[str]:
    # As they were written: a ${...} in one is to be resolved where its value stands, not here.
    return plain(config.hydra.overrides.task, resolve=False)


def _or_exit(call: Callable[[], Any], code: int | None = None) -> Any:
    try:
        return call()
    except Exception as error:
        if traceback_wanted:
            traceback.print_exc()
        # Processes that train together find the same fault.
        if this_world().first or not begun_by_torchrun():
            print(one_line(error), file=sys.stderr)
        sys.exit(code or exit_code(error))
