"""One update of the weights, and an epoch of them."""

import math
import time
from contextlib import nullcontext
from functools import reduce

import torch

from pets_seg.data.batches import cut, epoch_batches
from pets_seg.errors import DivergedError
from pets_seg.machine.seeding import derive_seed
from pets_seg.training.objective import counted_images
from pets_seg.training.progress import Progress
from pets_seg.training.setup import Setup

# Steps between two looks at the loss, for the progress bar and to stop at a NaN; each may wait for the device.
LOOK_EVERY = 5


def train_epoch(run: Setup, progress: Progress) -> tuple[float, float]:
    """Take the steps of the current epoch that are left; return its mean objective and cross-entropy.

    Raises DivergedError if the objective is not finite, and Interrupted after a whole step.
    """
    state = run.state
    started = time.perf_counter() - state.seconds
    # Validation leaves the network in evaluation mode.
    state.network.train()
    for indices in epoch_batches(len(run.train), run.batch_size, run.seed, state.epoch)[state.step :]:
        look = state.step % LOOK_EVERY == 0
        train_step(run, indices)
        state.step += 1
        state.seconds = time.perf_counter() - started
        progress.step(state.epoch)
        if look:
            loss = state.losses.look()
            stop_unless_finite("training", loss, run)
            progress.show(loss=loss, dice=best["val/dice"] if (best := state.best_row) else None)
        # Where ranks have to agree they wait for each other.
        may_wait = look or run.world.size == 1
        if may_wait:
            run.poll()
        # The end of an epoch is after its validation.
        if state.step < run.steps_per_epoch:
            run.saving.write_if_due(state, run.steps_done, may_wait)
    loss, cross_entropy = state.losses.means()
    state.steps.collect()
    stop_unless_finite("training", loss, run)
    state.seconds = time.perf_counter() - started
    return loss, cross_entropy


def train_step(run: Setup, indices: torch.Tensor) -> None:
    """Update the weights once from a batch of images; nothing waits for the device."""
    state, world = run.state, run.world
    lr = state.scheduler.get_last_lr()[0]
    image, mask = run.augment(*run.train.take(indices), derive_seed(run.seed, state.epoch, state.step))
    losses = []
    micro_batches = cut(torch.arange(len(mask)), run.micro_batch_size)
    for micro_batch in micro_batches:
        share = world.part(int(micro_batch[0]), int(micro_batch[-1]) + 1)
        is_accumulating = micro_batch is not micro_batches[-1]
        # DDP reduces the gradients over the ranks once a step, in the backward pass of the last micro-batch.
        with run.ddp.no_sync() if run.ddp and is_accumulating else nullcontext():
            with run.autocast:
                logits = run.forward(run.normalise(image[share]))
            logits = logits.float()
            loss, cross_entropy = run.objective(logits, mask[share], mask)
            if run.distillation:
                loss = run.distillation(loss, logits, image[share], mask[share], mask)
            # DDP averages over the ranks, while the shares of a batch's loss add up.
            state.scaler.scale(loss * world.size).backward()
        losses.append(torch.stack((loss.detach(), cross_entropy.detach())))
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    # Even where a gradient of fp16 overflowed and the update was skipped: the rate is a function of the step alone, so
    # that a schedule ends with its run in every precision. To ask would also wait for the device.
    state.scheduler.step()
    if state.average:
        state.average.update(state.network)
    means = reduce(torch.add, losses)
    state.losses.add(means, len(mask), counted_images(mask).sum())
    state.steps.add(run.steps_done + 1, lr, means)


def stop_unless_finite(kind: str, loss: float, run: Setup) -> None:
    """Raise DivergedError on every rank unless `loss`, the `kind` loss of this epoch, is finite on all of them."""
    if run.world.any(not math.isfinite(loss)):
        lr = run.state.optimizer.defaults.get("lr")
        now = f" (now {lr:g})" if isinstance(lr, int | float) else ""
        raise DivergedError(
            f"the {kind} loss is not finite in epoch {run.state.epoch}; try a lower optimizer.lr{now}"
            + (" or train.precision=fp32" if run.about["precision"] != "fp32" else "")
        )
