"""hydra/sweeper=sequential: seeds are added until every group is told, by a design that was declared before."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from pets_seg.command.alone import alone_in
from pets_seg.command.jobs import SEQUENTIAL
from pets_seg.command.messages import report
from pets_seg.command.sequential_design import Plan, plan_sweep, with_costs
from pets_seg.errors import InputError
from pets_seg.launch import NotStarted
from pets_seg.machine.terminal import width
from pets_seg.report.sequential.decisions import Decision, decide, diverged, is_older, is_whole
from pets_seg.report.sequential.looks import OPEN
from pets_seg.report.sequential.verdict_files import read_record, write_verdicts
from pets_seg.report.sequential.words import decisions_table
from pets_seg.report.study.runs import Run, read_run
from pets_seg.report.study.words import count
from pets_seg.run_folder.design import Design, read_design, write_design
from pets_seg.run_folder.names import STATUS
from pets_seg.run_folder.search import read_search

# How often a command launches a run that the machine failed.
TRIES = 2


def prepare(config: DictConfig) -> list[DictConfig]:
    """Register the sweeper, and return a job of each group.

    Raises InputError for what is wrong with the sweep before its first run, in a folder of another design too.
    """
    Plugins.instance().class_name_to_class[SEQUENTIAL] = SequentialSweeper
    if config.task.name != "train":
        raise InputError(f"task={config.task.name}: trains no runs; hydra/sweeper=sequential is for task=train")
    if config.existing == "restart":
        raise InputError(
            "existing=restart: runs of a sequential sweep are not trained again, for a look was taken at them; give "
            "another name=..."
        )
    if config.report.wandb and config.hydra.sweeper.metric == "val_dice":
        raise InputError("report.wandb=true: would show the test set, which hydra.sweeper.metric=val_dice leaves alone")
    plan = plan_sweep(config)
    _check(Path(config.hydra.sweep.dir), plan.design)
    return plan.jobs


def _check(folder: Path, design: Design) -> None:
    """Raise InputError if the folder holds another design, or runs of this one from before it was declared."""
    if read_search(folder):
        raise InputError(f"{folder}: holds a search, whose trials are no seeds; give another name=...")
    declared = read_design(folder)
    if declared is None:
        names = (name for group in design.groups.values() for name in group.runs)
        if there := [name for name in names if (folder / name / STATUS).exists()]:
            raise InputError(
                f"{folder / there[0]}: is older than the design ({count(len(there), 'run')} of its seeds), and may "
                "have been looked at; give hydra.sweeper.first_seed=N past these seeds, or another name=..."
            )
    elif declared.hash != design.hash:
        ways = declared.differences(design) or [
            "another version of the program declared it, with other critical values"
        ]
        more = f" (and {len(ways) - 3} more)" if len(ways) > 3 else ""
        raise InputError(
            f"{folder}: holds a sequential sweep of another design: {'; '.join(ways[:3])}{more}; a design is not "
            "changed once its runs are looked at, so give another name=..."
        )


class SequentialSweeper(Sweeper):
    """Launches the runs that the next look needs, takes the look, and ends when no group is open."""

    def __init__(self, **settings: object) -> None:
        self.launched = 0
        self.tries: Counter[str] = Counter()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration and make the launcher."""
        self.common = config
        self.jobs = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Declare the design, or continue the one that is there, until nothing more is to be run."""
        folder = Path(self.common.hydra.sweep.dir)
        plan = plan_sweep(self.common)
        with alone_in(folder, "sweep"):
            # Another process may have been at it until now.
            _check(folder, plan.design)
            declared = read_design(folder)
            if declared is None:
                declared = with_costs(plan.design)
                write_design(folder, declared)
            plan = replace(plan, design=declared)
            print(f"{plan.design.question}\ndesign {plan.design.hash[:12]}, {folder / 'design.json'}", flush=True)
            self._decide(folder, plan)

    def _decide(self, folder: Path, plan: Plan) -> None:
        started, done, said = time.monotonic(), 0, ""
        while True:
            decisions = self._look(folder, plan.design)
            wanted = self._wanted(plan.design, decisions)
            left = max(len(self._left(plan.design, decisions)), len(wanted))
            if (table := decisions_table(plan.design, decisions, width())) != said:
                print(f"\n{table}", flush=True)
                said = table
            if not wanted:
                return
            ends = ""
            if done:
                end = datetime.now() + timedelta(seconds=(time.monotonic() - started) / done * left)
                ends = (
                    f", until about {end:%H:%M}" if end.date() == datetime.now().date() else f", until about {end:%c}"
                )
            print(f"\nat most {count(left, 'run')} to go{ends}; {count(len(wanted), 'run')} now", flush=True)
            for run in wanted:
                self.tries[run] += 1
            words = [[*plan.words[group], f"seed={seed}"] for group, seed in wanted.values()]
            try:
                returns = self.jobs.launch(words, initial_job_idx=self.launched)
            except Exception as error:
                # What is told so far is to be seen all the same; the next command goes on.
                report(error)
                return
            self.launched += len(words)
            done += len(words)
            if any(isinstance(item, NotStarted) for item in returns):
                self._look(folder, plan.design)
                return

    def _look(self, folder: Path, design: Design) -> list[Decision]:
        """Read the runs, take the looks that they allow, and write down the verdicts."""
        self.runs = {run.name: run for run in runs_of(folder, design)}
        tried = (name for group in design.groups.values() for name in group.runs if self.tries[name] >= TRIES)
        given_up = [name for name in tried if not is_whole(self.runs.get(name))]
        decisions = decide(design, self.runs, read_record(folder, design).entered, given_up)
        write_verdicts(folder, design, decisions, given_up)
        return decisions

    def _wanted(self, design: Design, decisions: Sequence[Decision]) -> dict[str, tuple[str, int]]:
        """Return group and seed of the runs, by name, that the next look of each open group needs.

        Where the launcher has more slots, seeds that come after are added.
        """
        slots = getattr(self.jobs, "slots", None)
        side_by_side = len(slots) if isinstance(slots, list) else 1
        wanted: dict[str, tuple[str, int]] = {}
        for ahead in range(len(design.seeds)):
            for item in decisions:
                if item.verdict == OPEN:
                    wanted |= self._next(design, item, ahead)
            if not wanted or len(wanted) >= side_by_side:
                break
        return wanted

    def _next(self, design: Design, item: Decision, ahead: int) -> Iterator[tuple[str, tuple[str, int]]]:
        """Yield what the next look of a group needs, and `ahead` seeds more."""
        known = len(item.entered)
        look = next(pairs for pairs in design.looks if pairs > known)
        settled = {*item.entered, *item.failed}
        seeds = [seed for seed in design.seeds if seed not in settled][: look - known + ahead]
        for seed in seeds:
            for name in (item.baseline, item.group):
                run = design.groups[name].runs[seed - design.first_seed]
                if self._may_run(run):
                    yield run, (name, seed)

    def _left(self, design: Design, decisions: Sequence[Decision]) -> list[str]:
        """Return the runs that may still be made: those of open groups and of their baselines."""
        names = {name: None for item in decisions if item.verdict == OPEN for name in (item.baseline, item.group)}
        return [run for name in names for run in design.groups[name].runs if self._may_run(run)]

    def _may_run(self, name: str) -> bool:
        run = self.runs.get(name)
        return self.tries[name] < TRIES and not is_whole(run) and not (run and diverged(run))


def runs_of(folder: Path, design: Design) -> Iterator[Run]:
    """Yield the runs of a design that are there; InputError for one from before it was declared."""
    for name in (name for group in design.groups.values() for name in group.runs):
        if not (folder / name / STATUS).exists():
            continue
        try:
            run = read_run(folder / name)
        except ValueError as error:
            raise InputError(f"{folder / name}: {error}; mend or remove it") from None
        if is_older(run, design):
            raise InputError(
                f"{run.folder}: was started before the design was declared ({design.when}), and may have been looked "
                "at; remove it, or give another name=..."
            )
        yield run
