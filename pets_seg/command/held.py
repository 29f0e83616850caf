"""The runs of a sweep that other processes hold: they are waited for, and taken over if those processes are gone."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import DictConfig

from pets_seg.command.main import run
from pets_seg.command.outcomes import BEGUN, HELD, Outcomes
from pets_seg.run_folder.lock import LOOK_EVERY, is_held, wait_for


def finish_held(
    config: DictConfig, hooks: Callback, loader: Any, outcomes: Outcomes, jobs: Sequence[Sequence[str]]
) -> None:
    """Launch the jobs again whose runs another process held, each once that process has let go of its run.

    A job then finds its run finished, or continues it. `jobs` are the words of all jobs of the sweep, `hooks` the
    callback that knows what became of them, and `loader` composes them. A launcher may end at the first job that dies:
    the jobs that are still at work are waited for.
    """
    sweep = Path(config.hydra.sweep.dir)
    told = False
    while at_work := [
        run for number in outcomes.numbers(BEGUN) if is_held(sweep / (run := outcomes.known[number].run))
    ]:
        if not told:
            told = True
            print(f"\nwaiting for the jobs that are still at work: {', '.join(at_work)}", flush=True)
        time.sleep(LOOK_EVERY)
        outcomes.read()
    launched, told = len(jobs), False
    while held := outcomes.numbers(HELD):
        folders = {number: sweep / outcomes.known[number].run for number in held}
        if not told and all(map(is_held, folders.values())):
            told = True
            names = ", ".join(dict.fromkeys(folder.name for folder in folders.values()))
            # Into a file too it is to be seen now.
            print(f"\nwaiting for other processes to finish what they are training: {names}", flush=True)
        free = wait_for([*folders.values()])
        again = [number for number in held if folders[number] in free]
        outcomes.again(again, launched)
        print(flush=True)
        # What another process has trained by now is not to be trained again.
        _launch(config, hooks, loader, [[*jobs[number], "existing=continue"] for number in again], launched)
        launched += len(again)
        outcomes.read()


def _launch(config: DictConfig, hooks: Callback, loader: Any, jobs: Sequence[Sequence[str]], first: int) -> None:
    """Run jobs as the sweep's launcher does; their numbers are those from `first` on."""
    callbacks = Callbacks(config)
    callbacks.callbacks = [hooks if isinstance(item, type(hooks)) else item for item in callbacks.callbacks]
    context = HydraContext(config_loader=loader, callbacks=callbacks)
    # Any: that a decorated function has its own below is not declared.
    decorated: Any = run
    launcher = Plugins.instance().instantiate_launcher(
        config=config, hydra_context=context, task_function=decorated.__wrapped__
    )
    launcher.launch(jobs, initial_job_idx=first)
