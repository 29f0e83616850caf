"""hydra/sweeper=optuna: trials are chosen one after the other, for the greatest Dice of validation."""

import math
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig

from pets_seg.command.alone import alone_in
from pets_seg.command.jobs import compose_job
from pets_seg.command.messages import one_line, report
from pets_seg.command.search_space import Space, described, ends, in_words, read_space
from pets_seg.command.sweeps import listed
from pets_seg.config.identity import resolved_identity, run_name
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, RunError, reason
from pets_seg.launch import NotStarted
from pets_seg.run_folder.names import STUDY
from pets_seg.run_folder.reading import flat
from pets_seg.run_folder.search import SEARCH, TRIAL, read_search

if TYPE_CHECKING:
    import optuna

# Hydra takes sweepers from the modules below hydra_plugins alone, so that this one is registered under such a name.
TARGET = "hydra_plugins.pets_seg.OptunaSweeper"
# Beside the study until it is whole.
NEW = f".{STUDY}.new"


def prepare(config: DictConfig) -> list[DictConfig]:
    """Register the sweeper, and return jobs in which each end of what is searched is in one.

    Raises InputError for what is wrong with a search before its first trial, in a folder of another search too.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("hydra/sweeper=optuna: Optuna is not there; pip install 'pets_seg[optuna]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Plugins.instance().class_name_to_class[TARGET] = OptunaSweeper
    settings = config.hydra.sweeper
    for key, least in (("n_trials", 1), ("n_jobs", 1), ("seed", 0)):
        if type(value := settings.get(key)) is not int or value < least:
            raise InputError(f"hydra.sweeper.{key}={value}: must be a whole number of at least {least}")
    try:
        instantiate(settings.sampler)(seed=0)
    except Exception as error:
        raise InputError(
            f"hydra.sweeper.sampler: cannot be made with a seed ({reason(error)}); give another, e.g. "
            "hydra.sweeper.sampler._target_=optuna.samplers.RandomSampler"
        ) from None
    if config.report.wandb:
        raise InputError("report.wandb=true: a search has no seeds to compare there; leave it out")
    if config.task.name != "train":
        raise InputError(f"task={config.task.name}: has no Dice of validation; hydra/sweeper=optuna is for task=train")
    space, words = read_space(config)
    jobs = [compose_job(config, [*words, *in_words(choice)], {}) for choice in ends(space)]
    _check_same(Path(config.hydra.sweep.dir), space, jobs[0])
    return jobs


def _check_same(folder: Path, space: Space, job: DictConfig) -> None:
    """Raise InputError if the folder holds a search with other settings or in another space."""
    search = read_search(folder)
    if search is None:
        return
    # What is searched comes first, for the settings of a job follow from it.
    texts = described(space)
    before, now = search.space | search.settings | search.space, texts | _settings(job) | texts
    for key in [*before, *now]:
        if before.get(key, "not given") != now.get(key, "not given"):
            raise InputError(
                f"{key}: was {before.get(key, 'not given')} in the search that {search.folder} holds, and is "
                f"{now.get(key, 'not given')} now; trials of both cannot be compared, so give another name=..."
            )


def _settings(job: DictConfig) -> dict[str, Any]:
    """Return what makes the run of a job what it is, by dotted key."""
    return flat(resolved_identity(job))


class OptunaSweeper(Sweeper):
    """Asks Optuna for trials, launches them as jobs, and tells it the Dice of validation of each.

    The sampler of a trial has a seed of its own, so that a search that was cut goes on as it would have done.
    """

    def __init__(self, n_trials: int, n_jobs: int, seed: int, sampler: Any, params: Any) -> None:
        self.n_trials, self.n_jobs, self.seed, self.sampler = n_trials, n_jobs, seed, sampler
        self.launched = 0

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration and make the launcher."""
        self.common = config
        self.jobs = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Continue the trials that a former command had begun, and add new ones until there are `n_trials`."""
        import optuna

        folder = Path(self.common.hydra.sweep.dir)
        self.space, self.words = read_space(self.common)
        with alone_in(folder, "search"):
            try:
                study, begun = self._open(folder)
                numbers = [*begun, *range(len(study.trials), self.n_trials)]
                for first in range(0, len(numbers), self.n_jobs):
                    if not self._run(study, numbers[first : first + self.n_jobs]):
                        break
            except optuna.exceptions.StorageInternalError as error:
                raise RunError(f"{folder / STUDY}: cannot be written ({reason(error)})") from None

    def _open(self, folder: Path) -> "tuple[optuna.Study, list[int]]":
        """Return the study of a sweep's folder, made if there is none, and the numbers of trials that were begun."""
        from optuna import create_study
        from optuna.trial import TrialState

        if not (folder / STUDY).exists():
            (folder / NEW).unlink(missing_ok=True)
            storage = _storage(folder / NEW)
            first = [*self.words, *in_words(ends(self.space)[0])]
            known = {
                # Those of one job: with the same space they are the same.
                "settings": _settings(compose_job(self.common, first, {})),
                "space": described(self.space),
                "words": None if listed(self.common) else [*self._places(), *self.words],
                "seed": self.common.seed,
            }
            create_study(storage=storage, study_name=folder.name, direction="maximize").set_user_attr(SEARCH, known)
            storage.remove_session()
            storage.engine.dispose()
            (folder / NEW).rename(folder / STUDY)
        self.storage = storage = _storage(folder / STUDY)
        [summary] = storage.get_all_studies()
        self.study_id = summary._study_id
        study = create_study(storage=storage, study_name=summary.study_name, load_if_exists=True)
        # Nobody else is at this search: what runs by its own account was cut, and is asked for again as it was.
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._let_wait(trial.number)
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return study, sorted(trial.number for trial in waiting)

    def _places(self) -> list[str]:
        """Return the words of the command without which options of one's own are not found."""
        given = plain(self.common.hydra.overrides.hydra, resolve=False)
        return [word for word in given if word.startswith("hydra.searchpath=")]

    def _let_wait(self, number: int) -> None:
        """Let a trial that was asked for be one that the next command begins with."""
        from optuna.trial import TrialState

        trial_id = self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)
        self.storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def _run(self, study: "optuna.Study", numbers: Sequence[int]) -> bool:
        """Choose trials, launch their jobs and tell the study what became of them; a failed one stops no other.

        Return whether the launcher goes on; a trial that it did not start waits for the next command.
        """
        from optuna.trial import TrialState

        jobs = {}
        for number in numbers:
            [seed] = np.random.SeedSequence([self.seed, number]).generate_state(1).tolist()
            study.sampler = self.sampler(seed=seed)
            trial = study.ask(self.space)
            chosen = in_words(trial.params)
            known: dict[str, Any] = {"words": chosen}
            print(f"\ntrial {number + 1}/{self.n_trials}: {' '.join(chosen)}", flush=True)
            try:
                known["run"] = run_name(compose_job(self.common, [*self.words, *chosen], {}))
            except Exception as error:
                known["error"] = one_line(error)
                print(known["error"], file=sys.stderr)
            trial.set_user_attr(TRIAL, known)
            if "run" in known:
                jobs[trial.number] = [*self.words, *chosen]
            else:
                study.tell(trial, state=TrialState.FAIL)
        if not jobs:
            return True
        try:
            returns = self.jobs.launch([*jobs.values()], initial_job_idx=self.launched)
        except Exception as error:
            # What became of the trials before is to be seen all the same; the next command begins with these.
            report(error)
            return False
        self.launched += len(jobs)
        goes_on = True
        for number, returned in zip(jobs, returns, strict=True):
            if isinstance(returned, NotStarted):
                self._let_wait(number)
                goes_on = False
                continue
            dice = _dice(returned)
            try:
                study.tell(number, dice, state=TrialState.FAIL if dice is None else TrialState.COMPLETE)
            except RuntimeError as error:
                # So a sampler says that there is nothing left to try, where Optuna does not run the trials itself.
                if "`Study.stop`" not in str(error):
                    raise
                print("the sampler has tried all settings")
                goes_on = False
        return goes_on


def _dice(returned: JobReturn) -> float | None:
    """Return the Dice of validation that a job ended with, None if it failed."""
    # Hydra raises the error of a failed job where its value is asked for.
    value = returned.return_value if returned.status == JobStatus.COMPLETED else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _storage(path: Path) -> "optuna.storages.RDBStorage":
    from optuna.storages import RDBStorage

    # An address could not hold every path.
    return RDBStorage("sqlite://", engine_kwargs={"creator": lambda: sqlite3.connect(path)})
