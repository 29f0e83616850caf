"""The training of one run, from top to bottom."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from omegaconf import DictConfig

from pets_seg.augment import Augment
from pets_seg.data import Batches, Dataset, Normalise
from pets_seg.data.batches import cut, epoch_batches
from pets_seg.errors import RunError
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.models import build_model
from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.seeding import derive_seed, seed_all
from pets_seg.tracking.run_folder import RunFolder, calibration_rows, per_image_rows
from pets_seg.tracking.wandb_sink import WandbSink
from pets_seg.training.checkpoint import save_weights
from pets_seg.training.distributed import spread
from pets_seg.training.interruption import Interrupted
from pets_seg.training.losses import Objective, soft_dice
from pets_seg.training.memory import peak_memory_mb, reset_peak
from pets_seg.training.optimizers import build_optimizer, build_scheduler
from pets_seg.training.pictures import pictures
from pets_seg.training.precision import autocast, memory_format, resolve_device, resolve_precision, use_device
from pets_seg.training.progress import Progress, quicker
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.state import State
from pets_seg.training.summary import summarise
from pets_seg.training.weight_average import WeightAverage
from pets_seg.world import ALONE, World

log = logging.getLogger("pets_seg")
# The host looks at the loss once in so many steps: for the bar, and to stop at a NaN.
LOOK_EVERY = 5


def train(
    cfg: DictConfig,
    dataset: Dataset,
    folder: RunFolder,
    sink: WandbSink,
    poll: Callable[[], None] = lambda: None,
    world: World = ALONE,
    after_epoch: Callable[[], None] = lambda: None,
    announced: bool = False,
) -> dict[str, Any]:
    """Train what `cfg` describes, or go on from the folder's last checkpoint; return the summary, written there too.

    In several processes each computes its share of every batch; the first one writes. `poll` is called after each step,
    `after_epoch` when the files of an epoch are written. `announced` is whether it was said before how long this takes.
    Raises RunError if the loss is not finite; where `poll` raises Interrupted, the state is written first.
    """
    device = resolve_device(cfg.train.device)
    precision = resolve_precision(cfg.train.precision, device)
    use_device(device, cfg.train.deterministic)
    reset_peak(device)
    seed_all(cfg.seed)

    network = build_model(**cfg.model).to(device)
    layout = memory_format(device, network)
    network = network.to(memory_format=layout)
    if cfg.train.checkpoint_activations:
        network.checkpoint_activations = True
    average = WeightAverage(network, cfg.train.ema) if cfg.train.ema else None
    objective = Objective(cfg.loss.cross_entropy, cfg.loss.dice)
    images = len(dataset.train)
    steps = len(epoch_batches(images, cfg.train.batch_size, cfg.seed, 0))
    optimizer = build_optimizer(cfg.optimizer, network)
    scheduler = build_scheduler(cfg.scheduler, optimizer, steps * cfg.train.epochs)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    state = State(network, optimizer, scheduler, scaler, average, RunningLoss(device, world))

    augment = Augment(cfg.aug.operations, cfg.aug.get("keep_original", False))
    normalise = Normalise(cfg.data.normalisation, device, layout)
    batches = Batches(dataset.train, device, cfg.data.boundary)
    valid = Batches(dataset.valid, device, cfg.data.boundary)
    at_once = math.ceil(cfg.train.batch_size / cfg.train.accumulate)
    extra = soft_dice if cfg.loss.dice else None
    # Several processes must end at the same step; between the batches of an evaluation they do not meet.
    between = poll if world.size == 1 else lambda: None
    nothing = torch.zeros((), device=device)
    about = {"model": dict(cfg.model), "size": cfg.data.size, "normalisation": cfg.data.normalisation}
    about |= {"boundary": cfg.data.boundary, "precision": precision}

    if state.load(folder.last):
        where = f"step {state.step} of epoch {state.epoch}" if state.step else f"epoch {state.epoch - 1}"
        log.info(f"continuing after {where} of {cfg.train.epochs}")
        for row in state.rows:
            sink.log(row)
    done = (state.epoch - 1) * steps + state.step
    # It also makes the first process wait, before it writes, until all have read.
    if world.any(world.tell(done) != done):
        raise RunError(f"{folder.path}: not every process sees the same checkpoint; the folder must be shared by all")
    # last.pt is the truth; a process may have been killed between writing it and what follows from it.
    if world.first and state.rows:
        write_epoch(folder, state, about, better=True)
    elif world.first:
        folder.clear_results()
    forward = spread(network, device) if world.size > 1 else network
    forward = torch.compile(forward) if cfg.train.compile else forward

    with Progress(cfg.train.epochs, steps, done, quicker(cfg, device.type), world.first, announced) as progress:
        try:
            while state.epoch <= cfg.train.epochs:
                epoch, losses = state.epoch, state.losses
                resumed = time.perf_counter() - state.seconds
                # Validation may have left it in evaluation mode; batch norm must learn in every epoch.
                network.train()
                for indices in epoch_batches(images, cfg.train.batch_size, cfg.seed, epoch)[state.step :]:
                    image, mask = batches.take(indices)
                    image, mask = augment(image, mask, derive_seed(cfg.seed, epoch, state.step))
                    loss = entropy = nothing
                    parts = cut(torch.arange(len(mask)), at_once)
                    for part in parts:
                        mine = world.part(int(part[0]), int(part[-1]) + 1)
                        # Gradients are added up over the processes once, with the last part.
                        apart = world.size > 1 and part is not parts[-1]
                        with forward.no_sync() if apart else nullcontext():
                            with autocast(device, precision):
                                logits = forward(normalise(image[mine]))
                            share, share_of_entropy = objective(logits.float(), mask[mine], mask)
                            scaler.scale(share * world.size if world.size > 1 else share).backward()
                        loss, entropy = loss + share.detach(), entropy + share_of_entropy.detach()
                    scaler.step(optimizer)
                    scaler.update()
                    if average:
                        average.update(network)
                    optimizer.zero_grad(set_to_none=True)
                    scheduler.step()
                    losses.add(loss, entropy, len(mask))
                    look = state.step % LOOK_EVERY == 0
                    state.step += 1
                    state.seconds = time.perf_counter() - resumed
                    progress.step(epoch)
                    if look:
                        seen = losses.look()
                        _stop_unless_finite("training", seen, epoch, cfg, precision, world)
                        progress.show(loss=seen, dice=state.best_dice if state.rows else None)
                    if look or world.size == 1:
                        poll()
                    every = cfg.train.save_every_steps
                    if every and state.step < steps and ((epoch - 1) * steps + state.step) % every == 0:
                        state.save(folder.last)
                mean_loss, mean_entropy = losses.means()
                _stop_unless_finite("training", mean_loss, epoch, cfg, precision, world)
                train_seconds = time.perf_counter() - resumed

                context = autocast(device, precision)
                scores = evaluate(state.validated, valid, normalise, context, extra, world, between)
                means = scores.means()
                # The last update of an epoch can spoil the weights without a training loss that shows it.
                _stop_unless_finite("validation", means["loss"], epoch, cfg, precision, world)
                row = {
                    "epoch": epoch,
                    "train/loss": mean_entropy,
                    "val/loss": means["loss"],
                    "val/dice": means["dice"],
                    "val/iou": means["iou"],
                    "val/ece": means["ece"],
                    "lr": scheduler.get_last_lr()[0],
                    "seconds": time.perf_counter() - resumed,
                    "images_per_second": losses.images / train_seconds,
                    "images_seen": losses.images + (state.rows[-1]["images_seen"] if state.rows else 0),
                    "updates": steps * epoch,
                }
                if not objective.is_cross_entropy:
                    validation = objective.combine(means["loss"], scores.extra.mean().item())
                    row |= {"train/objective": mean_loss, "val/objective": validation}
                state.rows.append(row)
                better = state.keep_if_best()
                state.epoch, state.step, state.seconds = epoch + 1, 0, 0.0
                state.losses = RunningLoss(device, world)
                state.save(folder.last)
                if world.first:
                    write_epoch(folder, state, about, better)
                sink.log(row)
                progress.epoch(row, best=better)
                after_epoch()
        except Interrupted:
            state.save(folder.last)
            raise

    best = state.use_best()
    test = Batches(dataset.test, device, cfg.data.boundary)
    context = autocast(device, precision)
    scores = {
        name: evaluate(best, part, normalise, context, None, world, between)
        for name, part in (("valid", valid), ("test", test))
    }
    stems = {"valid": dataset.valid.stems, "test": dataset.test.stems}
    summary = summarise(state.rows, scores["test"].means())
    summary |= {"parameters": count_parameters(network), "macs": count_macs(network, cfg.data.size)}
    summary |= {"peak_memory_mb": peak_memory_mb(device)}
    if world.first:
        folder.write_per_image([row for name in scores for row in per_image_rows(name, stems[name], scores[name])])
        folder.write_calibration([row for name in scores for row in calibration_rows(name, scores[name])])
        folder.write_summary(summary)
    if sink.run:
        sink.log_pictures(pictures(best, valid, stems["valid"], normalise, context))
    return summary


def write_epoch(folder: RunFolder, state: State, about: dict[str, Any], better: bool) -> None:
    """Write what follows from the state at the end of an epoch: metrics.csv, and the best weights if they are new."""
    if better:
        save_weights(folder.best, state.best_weights, {**about, "epoch": state.best_epoch})
    folder.write_metrics(state.rows)


def _stop_unless_finite(kind: str, loss: float, epoch: int, cfg: DictConfig, precision: str, world: World) -> None:
    # All processes stop at the same step: one that went on would wait for the others.
    if world.any(not math.isfinite(loss)):
        raise RunError(
            f"the {kind} loss is not finite in epoch {epoch}; try a lower optimizer.lr (now {cfg.optimizer.lr:g})"
            + (" or train.precision=fp32" if precision != "fp32" else "")
        )
