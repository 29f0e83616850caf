"""The training of one run, from top to bottom."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from pets_seg.data import Dataset
from pets_seg.errors import RunError
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.machine.world import ALONE, World
from pets_seg.run_folder.folder import RunFolder
from pets_seg.tracking.tracker import Tracker
from pets_seg.training.finite import stop_unless_finite
from pets_seg.training.interruption import Interrupted
from pets_seg.training.precision import autocast
from pets_seg.training.progress import Progress, quicker
from pets_seg.training.record import epoch_row, score_best, write_epoch
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.setup import Setup, set_up, wrap
from pets_seg.training.step import train_epoch

log = logging.getLogger("pets_seg")


def train(
    config: Mapping[str, Any],
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
    tracker: Tracker | None = None,
    poll: Callable[[], None] = lambda: None,
    world: World = ALONE,
    after_epoch: Callable[[], None] = lambda: None,
    announced: bool = False,
) -> dict[str, Any]:
    """Train what `config` describes, or go on from the folder's last checkpoint; return the summary, written there too.

    `config` is resolved, its precision too. Of several processes each computes its share of every batch, and the first
    writes. `poll` is called after each step, `after_epoch` when the files of an epoch are written. `announced` is
    whether it was said before how long this takes. Raises RunError if the loss is not finite; where `poll` raises
    Interrupted, the state is written first.
    """
    tracker = tracker or Tracker()
    run = set_up(config, dataset, device, world)
    resume(run, folder, tracker)
    wrap(run)
    state = run.state

    def save() -> None:
        state.save(folder.last)

    advice = quicker(config, device.type)
    with Progress(run.epochs, run.steps, run.done, advice, world.first, announced) as progress:
        try:
            while state.epoch <= run.epochs:
                started = time.perf_counter() - state.seconds
                train_epoch(run, progress, poll, save, started)
                loss, cross_entropy = state.losses.means()
                stop_unless_finite("training", loss, run)
                trained = time.perf_counter() - started
                scores = validate(run, poll)
                row = epoch_row(run, loss, cross_entropy, scores, trained, time.perf_counter() - started)
                better = state.end_epoch(row, RunningLoss(device, world))
                save()
                if world.first:
                    write_epoch(folder, run, better)
                tracker.log(row)
                progress.epoch(row, best=better)
                after_epoch()
        except Interrupted:
            save()
            raise
    return score_best(run, folder, tracker, between_batches(run, poll))


def resume(run: Setup, folder: RunFolder, tracker: Tracker) -> None:
    """Take up the state of the folder's last checkpoint, if there is one, and make the folder what follows from it."""
    state, world = run.state, run.world
    if state.load(folder.last):
        where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
        log.info(f"continuing after {where} of {run.epochs}")
        for row in state.rows:
            tracker.log(row)
    # The broadcast also makes the first process wait, before it writes, until all have read.
    if world.any(world.broadcast(run.done) != run.done):
        raise RunError(f"{folder.path}: not every process sees the same checkpoint; the folder must be shared by all")
    # last.pt is the truth; a process may have been killed between writing it and what follows from it.
    if world.first and state.rows:
        write_epoch(folder, run, better=True)
    elif world.first:
        folder.clear_results()


def validate(run: Setup, poll: Callable[[], None]) -> Scores:
    """Return the scores of the validation images; RunError if their loss is not finite."""
    figures = run.objective.figures() | run.metrics
    context = autocast(run.device, run.precision)
    scores = evaluate(
        run.state.validated, run.valid, run.normalise, context, figures, run.world, between_batches(run, poll)
    )
    # The last update of an epoch can spoil the weights without a training loss that shows it.
    stop_unless_finite("validation", scores.means()["loss"], run)
    return scores


def between_batches(run: Setup, poll: Callable[[], None]) -> Callable[[], None]:
    """Return what to call between the batches of an evaluation: several processes end at a step, where they meet."""
    return poll if run.world.size == 1 else lambda: None
