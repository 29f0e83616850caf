"""The training of one run, from top to bottom."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch

from pets_seg.data import Dataset
from pets_seg.errors import DivergedError, RunError
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.machine.terminal import from_here
from pets_seg.machine.world import ALONE, World
from pets_seg.models.checkpoint import starting_weights
from pets_seg.run_folder.folder import RunFolder
from pets_seg.tracking.tracker import Tracker
from pets_seg.training.interruption import Interrupted
from pets_seg.training.progress import Progress, speed_advice
from pets_seg.training.record import epoch_row, record_data, score_best, write_epoch, write_steps
from pets_seg.training.setup import Setup, set_up
from pets_seg.training.step import stop_unless_finite, train_epoch
from pets_seg.training.tracked import make_pictures, step_rows, track_again, track_epoch

log = logging.getLogger("pets_seg")


def train(
    config: Mapping[str, Any],
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
    tracker: Tracker | None = None,
    poll: Callable[[], None] = lambda: None,
    world: World = ALONE,
    after_epoch: Callable[[Mapping[str, Any]], None] = lambda row: None,
    announced: bool = False,
) -> dict[str, Any]:
    """Train what `config` describes, or continue from the folder's last checkpoint; return the summary.

    The precision of `config` is resolved. Each rank computes its share of every batch, and rank 0 writes the files.
    `poll` is called after each step, and `after_epoch` with the row of an epoch when its files are written. `announced`
    is whether the time that this takes was already told. Raises RunError if the loss is not finite; where `poll` raises
    Interrupted, the state is written first.
    """
    run = set_up(config, dataset, folder, device, tracker or Tracker(), poll, world)
    resume(run, config["model"])
    advice = speed_advice(config["model"].get("width"), config["data"]["size"], run.epochs, device.type)
    with Progress(run.epochs, run.steps_per_epoch, run.steps_done, advice, world.first, announced) as progress:
        try:
            while run.state.epoch <= run.epochs:
                loss, cross_entropy = train_epoch(run, progress)
                trained = time.perf_counter()
                scores = validate(run)
                row = epoch_row(run, loss, cross_entropy, scores, time.perf_counter() - trained)
                # Before last.pt, so that no epoch that is behind a continued run lacks its pictures.
                pictures = make_pictures(run)
                is_best = run.state.end_epoch(row)
                if run.state.epoch > run.epochs:
                    run.saving.write(run.state)
                else:
                    run.saving.write_if_due(run.state, run.steps_done)
                write_epoch(run, is_best)
                track_epoch(run, row, pictures)
                progress.epoch(row, is_best)
                after_epoch(row)
        except Interrupted:
            run.saving.write(run.state)
            raise
        except DivergedError:
            keep_last_steps(run)
            raise
    return score_best(run)


def keep_last_steps(run: Setup) -> None:
    """Write and pass on the steps of an epoch that has no row, which show how a run diverged; all ranks call it."""
    run.state.steps.collect()
    run.tracker.log_steps(step_rows(run, after=run.steps_per_epoch * len(run.state.rows)))
    if run.world.first:
        # A full disk must not hide the reason.
        with suppress(RunError):
            write_steps(run)


def resume(run: Setup, model: Mapping[str, Any]) -> None:
    """Load the folder's last checkpoint and write again the files that follow from it.

    A run without one starts from the weights of `run.checkpoint`, if it has that, for the network of these `model`
    settings. Raises RunError if ranks differ in what they read.
    """
    state, checkpoint = run.state, run.checkpoint
    if state.load(run.folder.last):
        where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
        log.info(f"continuing after {where} of {run.epochs}")
        track_again(run)
    elif checkpoint:
        state.start_from(starting_weights(checkpoint.path, checkpoint.digest, model))
        log.info(f"starting from the weights of {from_here(checkpoint.path)} (SHA-256 {checkpoint.digest[:12]})")
    teacher = run.distillation and run.distillation.teacher
    if teacher:
        log.info(f"learning from the network of {from_here(teacher.path)} (SHA-256 {teacher.digest[:12]})")
    # The broadcast is also a barrier: rank 0 writes only when every rank has read.
    read = run.steps_done, checkpoint and checkpoint.digest, teacher and teacher.digest
    if run.world.any(run.world.broadcast(read) != read):
        raise RunError(f"{run.folder.path}: not every rank sees the same checkpoint; all must share the folder")
    if run.world.first:
        record_data(run)
    # The run may have been killed between writing last.pt and the files that follow from it.
    if state.rows:
        write_epoch(run, is_best=True)
    elif run.world.first:
        run.folder.clear_results()


def validate(run: Setup) -> Scores:
    """Return the scores of the validation images; RunError if their loss is not finite."""
    scores = evaluate(
        run.state.evaluated_network,
        run.valid,
        run.normalise,
        run.autocast,
        run.objective.named_terms() | run.metrics,
        run.world,
        run.poll_if_alone,
    )
    # The last update of an epoch can spoil the weights without a training loss that shows it.
    stop_unless_finite("validation", scores.means()["loss"], run)
    return scores
