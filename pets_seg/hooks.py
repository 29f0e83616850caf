"""What happens before Hydra makes any folder, and after a sweep's last job."""

import copy
import importlib
import math
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from pets_seg.command.loading import loading
from pets_seg.config import run_name
from pets_seg.errors import InputError, RunError
from pets_seg.messages import exit_code, one_line, traceback_wanted
from pets_seg.terminal import python
from pets_seg.world import this_world

TASKS = ("train", "evaluate", "preview", "report")
# Of one sweep: each is composed and checked before the first one starts.
MOST_JOBS = 10_000
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
            if this_world().size > 1 and config.task.name != "train":
                raise InputError(
                    f"task={config.task.name}: runs in one process; start it without torchrun, "
                    "or unset TORCHELASTIC_RUN_ID"
                )
            _prepare(config)
            if config.task.name == "train" and config.report.wandb:
                raise InputError(
                    "report.wandb=true: is for a sweep (-m), or for runs that are there (task=report); a single run "
                    "makes no report"
                )
            if config.task.name == "train":
                _check_folder("hydra.run.dir", config.hydra.run.dir, config)
            # The others would meet the lock of the first, which asks for all.
            if config.task.name == "train" and this_world().first:
                from pets_seg.tracking.lock import check_free

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
            jobs = _jobs(config)
            for job in jobs:
                for key in ("name", "task"):
                    if job.get(key) != config.get(key):
                        raise InputError(f"{key}: is that of the whole sweep and cannot be swept over; give one {key}")
            for job in jobs:
                _prepare(job)
            if config.task.name == "train":
                from pets_seg.report.wandb_report import check_account
                from pets_seg.tracking.lock import check_writable
                from pets_seg.tracking.wandb_account import check_one_trial

                check_one_trial(config.tracker.mode)
                if config.report.wandb:
                    check_account()
                for job in jobs:
                    _check_folder("hydra.sweep.subdir", job.hydra.sweep.subdir, job)
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
        self.all_well &= job_return.return_value is not None
        if config.task.name == "train" and config.hydra.mode == RunMode.MULTIRUN:
            from pets_seg.report.tables import write_tables

            # They follow from the run folders: what cannot be written now, on a full disk, can be later.
            with suppress(RunError, InputError):
                folder = Path(config.hydra.sweep.dir)
                write_tables(_study(folder, config)[0], folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write the report, show what became of every job and how they compare; exit code 1 if any failed."""
        if config.task.name == "train":
            self.all_well &= _or_exit(lambda: _report(config, self.runs), code=1)
        if config.closing and self.all_well and config.task.name == "train":
            print(f"\n{config.closing.strip()}".replace("{python}", python()))
        if not self.all_well:
            sys.exit(1)


def _study(folder: Path, config: DictConfig) -> tuple[Any, str]:
    """Read a sweep's folder; a baseline that none of its groups is leaves the simplest, and a line that says so."""
    from pets_seg.report.study import read_study

    given = config.report.baseline
    baseline = OmegaConf.to_container(given) if OmegaConf.is_config(given) else given
    try:
        return read_study([folder], baseline), ""
    except InputError as error:
        return read_study([folder]), one_line(error)


def _report(config: DictConfig, runs: list[str]) -> bool:
    from pets_seg.report.sweep import show_sweep
    from pets_seg.tasks.report import make_report, publish
    from pets_seg.tracking.wandb_names import sweep_place

    folder = Path(config.hydra.sweep.dir)
    if not folder.is_dir():
        return False
    study, problem = _study(folder, config)
    if problem:
        print(f"{problem}; the simplest group is the baseline", file=sys.stderr)
    page = None
    try:
        if study.runs:
            page = make_report(study, config.report.reference)
    # What could not be written is told after what the runs came to.
    finally:
        all_well = show_sweep(study, runs, page, sweep_place(folder))
    if study.runs and config.report.wandb:
        print(f"\nW&B       {publish(study, config.tracker.project)}")
    return all_well


def _jobs(config: DictConfig) -> list[DictConfig]:
    """Compose the jobs of a sweep as Hydra's own sweeper will; another sweeper chooses them later, one by one."""
    if not config.hydra.sweeper._target_.endswith("BasicSweeper"):
        return [config]
    loader = GlobalHydra.instance().config_loader()
    params = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides([*params, *_given(config)])
    _check_sweep(overrides)
    if (size := config.hydra.sweeper.max_batch_size) is not None and size < 1:
        raise InputError(f"hydra.sweeper.max_batch_size={size}: must be 1 or more, or null")
    [jobs] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [loader.load_sweep_config(config, job) for job in jobs]


def _check_sweep(overrides: list[Override]) -> None:
    """Raise InputError for a sweep without jobs, or with too many."""
    counts: dict[str, float] = {}
    for override in overrides:
        # As in Hydra's sweeper, the last word on a key counts.
        counts[override.get_key_element()] = count = _count(override)
        if count < 1:
            raise InputError(f"{override.input_line}: has no value; a sweep needs one or more")
        if math.prod(counts.values()) > MOST_JOBS:
            raise InputError(
                f"{override.input_line}: brings the sweep to {math.prod(counts.values()):.6g} jobs, {MOST_JOBS} are "
                "the most; sweep over fewer values, or in several commands"
            )


def _count(override: Override) -> float:
    """Return the number of an override's values; those of a range are not listed, for no memory may hold them."""
    sweep = override.value()
    if isinstance(sweep, IntervalSweep):
        raise InputError(f"{override.input_line}: has no countable values; write range(...) or values with commas")
    if not isinstance(sweep, RangeSweep):
        return len(list(override.sweep_iterator())) if override.is_sweep_override() else 1
    try:
        return math.ceil((sweep.stop - sweep.start) / sweep.step)
    except OverflowError:
        return math.inf
    except (ZeroDivisionError, ValueError):
        raise InputError(
            f"{override.input_line}: is not a range; write range(start,stop,step), the step not 0"
        ) from None


def _check_folder(key: str, folder: str, config: DictConfig) -> None:
    # Another run could lie in a folder of another name, and would be taken for this one.
    if Path(folder).name != run_name(config):
        raise InputError(f"{key}={folder}: must end in the run's name, as runs/${{name}}/${{run_name:}} does")
    # A sweep's runs are sought in its own folder.
    if key == "hydra.sweep.subdir" and len(Path(folder).parts) > 1:
        raise InputError(f"{key}={folder}: must be the run's name alone, ${{run_name:}}; hydra.sweep.dir says where")


def _prepare(config: DictConfig) -> None:
    name = OmegaConf.select(config, "task.name")
    if name not in TASKS:
        raise InputError(f"task.name={str(name)[:100]}: is one of {', '.join(TASKS)}")
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
    with loading("PyTorch"):
        task = importlib.import_module(f"pets_seg.tasks.{name}")
    task.prepare(bare, overrides=_given(config))


def _given(config: DictConfig) -> list[str]:
    # As they were written: a ${...} in one is to be resolved where its value stands, not here.
    return OmegaConf.to_container(config.hydra.overrides.task, resolve=False)


def _or_exit(call: Callable[[], Any], code: int | None = None) -> Any:
    try:
        return call()
    except Exception as error:
        if traceback_wanted:
            traceback.print_exc()
        # Processes that train together find the same fault.
        if this_world().first:
            print(one_line(error), file=sys.stderr)
        sys.exit(code or exit_code(error))
