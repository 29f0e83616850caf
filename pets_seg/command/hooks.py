"""What happens before Hydra makes any folder, and after a sweep's last job."""

import copy
import importlib
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pets_seg.command.engines import check_launcher
from pets_seg.command.held import finish_held
from pets_seg.command.jobs import chosen_later, compose_jobs, swept, words_of
from pets_seg.command.loading import loading
from pets_seg.command.messages import boundary, one_line, report
from pets_seg.command.outcomes import BEGUN, DONE, FAILED, HELD, Outcome, Outcomes
from pets_seg.command.reads import TASKS, check_files, check_words
from pets_seg.command.schedule import Schedule, plan
from pets_seg.config.identity import run_name
from pets_seg.config.plain import plain, plain_parts
from pets_seg.errors import InputError, RunError
from pets_seg.machine import cuda
from pets_seg.machine.terminal import python
from pets_seg.machine.world import this_world
from pets_seg.run_folder.lock import HeldError, check_free, check_writable

RUN_NAME = "${run_name:}"
# Why a job was not done that did not say it itself.
SILENT = "its process ended unexpectedly, or has not begun; the same command continues it"
HYDRAS_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)


class Hooks(Callback):
    """Checks every job before the first one starts; ends a sweep with the table of its jobs.

    Hydra turns an Exception of a callback into a warning, so a refusal ends the process.
    """

    # The one of a sweep whose jobs another launcher than Hydra's own runs, until it ends, and its configuration.
    elsewhere: "tuple[Hooks, DictConfig] | None" = None
    # What composes jobs of the sweep; Hydra forgets it where a launcher raises.
    loader: Any = None

    def __init__(self) -> None:
        # The words of each job, if they are known before the first one starts.
        self.jobs: list[list[str]] = []
        self.outcomes = Outcomes()

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the one job."""
        Schedule.current = Hooks.elsewhere = None
        cuda.let_in()
        with boundary(code=2):
            world, trains = this_world(), _task(config, sweep=False) == "train"
            _check(config)
            folder = Path(config.hydra.run.dir)
            # Another run could lie in a folder of another name, and would be taken for this one.
            if trains and folder.name != run_name(config):
                raise InputError(f"hydra.run.dir={folder}: must end in the run's name, e.g. my/${{run_name:}}")
            # The other ranks would meet the lock of rank 0, which asks for all of them.
            if trains and world.first:
                from pets_seg.command.tasks.train import check_recorded

                check_free(folder)
                # Before Hydra writes this command into the run folder. A job of a sweep ends alone, the others go on.
                # What has to be said of them, the job says.
                check_recorded(plain_parts(config, ["data", "existing"]), folder)
            # Before the run folder is made: the others may never come.
            if world.size > 1:
                from pets_seg.training.meeting import meet

                meet()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all jobs of the sweep, without a CUDA context."""
        Schedule.current = Hooks.elsewhere = None
        # Another launcher runs jobs side by side, in processes of its own.
        cuda.keep_out(jobs_elsewhere=config.hydra.launcher._target_ != HYDRAS_LAUNCHER)
        with boundary(code=2):
            if this_world().size > 1:
                raise InputError("-m: a sweep is one process; start runs by torchrun, or unset TORCHELASTIC_RUN_ID")
            check_launcher(config.hydra)
            jobs = compose_jobs(config)
            for key in ("name", "task"):
                if any(job.get(key) != config.get(key) for job in jobs):
                    raise InputError(f"{key}: is that of the whole sweep and cannot be swept over; give one {key}")
            trains = _task(config, sweep=True) == "train"
            for job in jobs:
                _check(job)
            if trains:
                self._begin(config, jobs)
            Hooks.loader = GlobalHydra.instance().config_loader()
            if not chosen_later(config.hydra):
                self.jobs = [words_of(config, job) for job in jobs]
            if cuda.elsewhere:
                self.outcomes.listen(Path(config.hydra.sweep.dir))
                Hooks.elsewhere = self, config
            elif trains and len(jobs) > 1 and not chosen_later(config.hydra):
                Schedule.current = plan(jobs)
                Schedule.current.announce()

    def _begin(self, config: DictConfig, jobs: list[DictConfig]) -> None:
        """Check what the jobs of a sweep of trainings have in common."""
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
        check_writable(Path(config.hydra.sweep.dir))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Say which job of the sweep this is, and about how long the others will take."""
        if Schedule.current:
            Schedule.current.begin(config.hydra.job.num)
        cuda.let_in()
        if config.hydra.mode == RunMode.MULTIRUN:
            self.outcomes.tell(config.hydra.job.num, Outcome(_run_of(config), BEGUN, SILENT))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """In a sweep, remember what became of a job, and bring the sweep's tables up to date."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        # Hydra prints a line of its own when the value of a failed job is asked for.
        value = job_return.return_value if job_return.status == JobStatus.COMPLETED else None
        failed = value is None or isinstance(value, Exception)
        state = HELD if isinstance(value, HeldError) else FAILED if failed else DONE
        reason = one_line(value) if state == FAILED and value else ""
        self.outcomes.tell(config.hydra.job.num, Outcome(_run_of(config), state, reason))
        if failed and value:
            job_return.return_value = None
        if config.task.name == "train":
            from pets_seg.command.tasks.report import read_sweep
            from pets_seg.report.tables import write_tables

            # They follow from the run folders: what cannot be written now, on a full disk, can be later.
            with suppress(RunError, InputError):
                write_tables(read_sweep(config)[0], Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write the report, show what became of every job and how they compare; exit code 1 if any failed."""
        Schedule.current = None
        # Hydra 1.4 also comes here when a sweep was refused or interrupted.
        if sys.exc_info()[0]:
            return
        was_elsewhere, Hooks.elsewhere = Hooks.elsewhere, None
        all_well = True
        self.outcomes.read()
        if config.task.name == "train":
            from pets_seg.command.tasks.report import end_sweep

            with boundary(code=1):
                try:
                    finish_held(config, self, Hooks.loader, self.outcomes, self.jobs)
                except Exception as error:
                    # A launcher raises what it likes; what became of the jobs is to be seen all the same.
                    report(error)
                all_well = end_sweep(config, *self._told())
        elif was_elsewhere:
            # There they were told to the log of each job alone.
            for name, reason in self._told()[1].items():
                print(f"{name}: {reason}", file=sys.stderr)
        done = self.outcomes.numbers(DONE)
        all_well &= len(done) == max(len(self.jobs), len(self.outcomes.known))
        given = _given(config)
        # A file's own commands go on from its study as it stands there.
        fits = all(word.startswith("experiment=") for word in given) or any(w.startswith("closing=") for w in given)
        if config.closing and fits and all_well and config.task.name == "train":
            print(f"\n{config.closing.strip()}".replace("{python}", python()))
        if not all_well:
            sys.exit(1)

    def _told(self) -> tuple[list[str], dict[str, str]]:
        """Return the runs of the jobs and why any was not done; a job that told of no run is there by its words.

        Of jobs that a sweeper chooses later only the second is returned.
        """
        known = self.outcomes.known
        words = [item or "the job" for item in swept(self.jobs)]
        told = [known.get(number, Outcome(item, FAILED, SILENT)) for number, item in enumerate(words)]
        reasons = {outcome.run: outcome.reason for outcome in told or known.values() if outcome.state != DONE}
        # Jobs may be the same run, which the later one then finds finished.
        return [*dict.fromkeys(outcome.run for outcome in told)], reasons


def _task(config: DictConfig, sweep: bool) -> str:
    """Return the task of a command; InputError for another one, and for words of the command that it does not read."""
    name = OmegaConf.select(config, "task.name")
    if name not in TASKS:
        raise InputError(f"task.name={str(name)[:100]}: must be one of {', '.join(TASKS)}")
    if this_world().size > 1 and name != "train":
        raise InputError(f"task={name}: runs in one process; torchrun is for task=train")
    check_words(name, [*plain(config.hydra.overrides.hydra, resolve=False), *_given(config)], sweep)
    return name


def _run_of(config: DictConfig) -> str:
    """Return the name of a job's run."""
    return Path(config.hydra.runtime.output_dir).name


def _check(config: DictConfig) -> None:
    """Raise InputError for what is wrong with one job, and prepare its task."""
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
    bare = copy.deepcopy(config)
    with read_write(bare), open_dict(bare):
        del bare["hydra"]
    with loading("loading PyTorch"):
        task = importlib.import_module(f"pets_seg.command.tasks.{config.task.name}")
    task.prepare(bare, overrides=_given(config))


def _given(config: DictConfig) -> list[str]:
    # As they were written: a ${...} in one is to be resolved where its value stands, not here.
    return plain(config.hydra.overrides.task, resolve=False)
