"""What happens before Hydra makes any folder, and after a sweep's last job."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.command import local, shown_live, tables_due
from pets_seg.command.before_sweep import check_outputs, check_trainings, checked_jobs
from pets_seg.command.dry_run import end_dry_run
from pets_seg.command.finished import find_finished, show_finished
from pets_seg.command.held import finish_held
from pets_seg.command.jobs import adds_seeds, chosen_later, swept, words_of
from pets_seg.command.messages import boundary, one_line, report
from pets_seg.command.outcomes import BEGUN, DONE, FAILED, HELD, Outcome, Outcomes
from pets_seg.command.prepare import check_job, check_task, prepare_job, prepare_jobs, words_given
from pets_seg.command.schedule import Schedule, plan
from pets_seg.config.identity import run_name
from pets_seg.config.plain import plain_parts
from pets_seg.errors import InputError
from pets_seg.launch.slots import Slot
from pets_seg.machine import cuda
from pets_seg.machine.terminal import python
from pets_seg.machine.world import this_world
from pets_seg.report import live
from pets_seg.run_folder.design import exit_code, refuse_design
from pets_seg.run_folder.lock import HeldError, check_free, check_writable

# Why a job was not done that did not say it itself.
SILENT = "its process ended unexpectedly, or has not begun; the same command continues it"
HYDRAS_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class Hooks(Callback):
    """Checks every job before the first one starts; ends a sweep with the table of its jobs.

    Hydra turns an Exception of a callback into a warning, so a refusal ends the process.
    """

    # The one of a sweep whose jobs another launcher than Hydra's own runs, until it ends, and its configuration.
    elsewhere: "tuple[Hooks, DictConfig] | None" = None
    # How many seconds the jobs of that sweep will take, by their words, where that is known.
    expected: ClassVar[Mapping[tuple[str, ...], float | None]] = {}
    # What composes jobs of the sweep; Hydra forgets it where a launcher raises.
    loader: Any = None

    def __init__(self) -> None:
        # The words of each job, if they are known before the first one starts.
        self.jobs: list[list[str]] = []
        # Of each, those that not all have.
        self.words: list[str] = []
        self.outcomes = Outcomes()
        # That of the sweep.
        self.folder: Path | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the one job."""
        Schedule.current = Hooks.elsewhere = None
        cuda.let_in()
        with boundary(code=2):
            world, trains = this_world(), check_task(config, sweep=False) == "train"
            check_job(config)
            prepare_job(config)
            folder = Path(config.hydra.run.dir)
            # Another run could lie in a folder of another name, and would be taken for this one.
            if trains and folder.name != run_name(config):
                raise InputError(f"hydra.run.dir={folder}: must end in the run's name, e.g. my/${{run_name:}}")
            # The other ranks would meet the lock of rank 0, which asks for all of them.
            if trains and world.first:
                from pets_seg.command.same_data import check_recorded

                refuse_design(folder.parent)
                # A dry run shows who has the run.
                (check_writable if config.dry_run else check_free)(folder)
                # Before Hydra writes this command into the run folder. A job of a sweep ends alone, the others go on.
                # What has to be said of them, the job says.
                check_recorded(plain_parts(config, ["data", "existing", "dry_run"]), folder)
            if trains and config.dry_run:
                end_dry_run(config, [config])
            # Before the run folder is made: the others may never come.
            if world.size > 1:
                from pets_seg.training.meeting import meet

                meet()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all jobs of the sweep, without a CUDA context; end the process where there is nothing to train."""
        Schedule.current = Hooks.elsewhere = None
        launcher = config.hydra.launcher._target_
        # Another launcher may run jobs on other machines.
        cuda.keep_out(jobs_elsewhere=launcher not in (HYDRAS_LAUNCHER, local.TARGET))
        with boundary(code=2):
            jobs = checked_jobs(config)
            trains = config.task.name == "train"
            slots = local.check_slots(config, jobs) if launcher == local.TARGET else []
            finished = find_finished(config, jobs) if trains else []
            prepare_jobs([] if finished else jobs)
            check_outputs(jobs)
            if trains:
                check_trainings(config, jobs)
                if config.dry_run:
                    end_dry_run(config, jobs, finished=bool(finished), slots=slots)
                tables_due.begin(config)
            self.folder = Path(config.hydra.sweep.dir)
            Hooks.loader = GlobalHydra.instance().config_loader()
            if not chosen_later(config.hydra):
                self.jobs = [words_of(config, job) for job in jobs]
                self.words = swept(self.jobs)
            if trains and not finished:
                shown_live.begin(config, jobs, self.jobs)
            if finished:
                show_finished(finished, [words_given(job) for job in jobs])
            else:
                self._expect(config, jobs, slots)
        if finished:
            # No launcher is needed.
            for number, run in enumerate(finished):
                self.outcomes.tell(number, Outcome(run.folder.name, DONE))
            self.on_multirun_end(config)
            sys.exit()

    def _expect(self, config: DictConfig, jobs: list[DictConfig], slots: Sequence[Slot]) -> None:
        """Be ready for what the jobs tell, and find out how long they will take where that can be known."""
        known = config.task.name == "train" and not chosen_later(config.hydra)
        if slots:
            seconds = plan(jobs, slots[0].threads).seconds() if known else []
            Hooks.expected = dict(zip(map(tuple, self.jobs), seconds, strict=False))
        if config.hydra.launcher._target_ != HYDRAS_LAUNCHER:
            self.outcomes.listen(Path(config.hydra.sweep.dir))
            Hooks.elsewhere = self, config
        elif known and len(jobs) > 1:
            Schedule.current = plan(jobs)
            Schedule.current.announce()

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Say which job of the sweep this is, and about how long the others will take."""
        if Schedule.current:
            Schedule.current.begin(config.hydra.job.num)
        cuda.let_in()
        if config.hydra.mode == RunMode.MULTIRUN:
            self.outcomes.tell(config.hydra.job.num, Outcome(_run_of(config), BEGUN, SILENT))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """In a sweep, remember what became of a job; in its own process, bring its tables up to date if it is time."""
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
        # What other processes tell, they tell through a folder.
        if config.task.name == "train" and not self.outcomes.folder:
            tables_due.after_job(config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Write the report, show what became of every job and how they compare; exit code 1 if any failed."""
        Schedule.current = None
        # Hydra 1.4 also comes here when a sweep was refused or interrupted.
        if sys.exc_info()[0]:
            return
        was_elsewhere = Hooks.elsewhere is not None
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
                finally:
                    Hooks.elsewhere = None
                # Before the full page is written, which no run of this command may replace.
                live.end(Path(config.hydra.sweep.dir))
                all_well = end_sweep(config, *self._told())
            tables_due.at_end(written=True)
        elif was_elsewhere:
            Hooks.elsewhere = None
            # There they were told to the log of each job alone.
            for name, reason in self._told()[1].items():
                print(f"{name}: {reason}", file=sys.stderr)
        done = self.outcomes.numbers(DONE)
        # A sequential sweep may launch a run again that failed; its runs say how that ended.
        if not adds_seeds(config.hydra):
            all_well &= len(done) == max(len(self.jobs), len(self.outcomes.known))
        given = words_given(config)
        # A file's own commands go on from its study as it stands there.
        fits = all(word.startswith("experiment=") for word in given) or any(w.startswith("closing=") for w in given)
        if config.closing and fits and all_well and config.task.name == "train":
            print(f"\n{config.closing.strip()}".replace("{python}", python()))
        if not all_well:
            sys.exit(1)
        if adds_seeds(config.hydra) and (code := exit_code(Path(config.hydra.sweep.dir))):
            sys.exit(code)

    def folder_of(self, number: int) -> Path | None:
        """Return the run folder of a job that has begun; None if it has not."""
        self.outcomes.read()
        outcome = self.outcomes.known.get(self.outcomes.first_number.get(number, number))
        return self.folder / outcome.run if outcome and self.folder else None

    def not_done(self, number: int, reason: str) -> None:
        """Remember why a job was not done that could not say so itself."""
        number = self.outcomes.first_number.get(number, number)
        begun = self.outcomes.known.get(number)
        words = self.words[number] if self.jobs else ""
        self.outcomes.tell(number, Outcome(begun.run if begun else words or f"job {number}", FAILED, reason))

    def _told(self) -> tuple[list[str], dict[str, str]]:
        """Return the runs of the jobs and why any was not done; a job that told of no run is there by its words.

        Of jobs that a sweeper chooses later only the second is returned.
        """
        known = self.outcomes.known
        words = [item or "the job" for item in self.words]
        told = [known.get(number, Outcome(item, FAILED, SILENT)) for number, item in enumerate(words)]
        # A sweeper may have launched a run again.
        ended = told or {known[number].run: known[number] for number in sorted(known)}.values()
        reasons = {outcome.run: outcome.reason for outcome in ended if outcome.state != DONE}
        # Jobs may be the same run, which the later one then finds finished.
        return [*dict.fromkeys(outcome.run for outcome in told)], reasons


def _run_of(config: DictConfig) -> str:
    """Return the name of a job's run."""
    return Path(config.hydra.runtime.output_dir).name
