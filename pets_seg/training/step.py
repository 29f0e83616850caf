"""One update of the weights, and an epoch of them."""

import time
from collections.abc import Callable
from contextlib import nullcontext

import torch

from pets_seg.data.batches import cut
from pets_seg.machine.seeding import derive_seed
from pets_seg.training.finite import stop_unless_finite
from pets_seg.training.precision import autocast
from pets_seg.training.progress import Progress
from pets_seg.training.setup import Setup

# The host looks at the loss once in so many steps: for the bar, and to stop at a NaN.
LOOK_EVERY = 5


def train_epoch(
    run: Setup, progress: Progress, poll: Callable[[], None], save: Callable[[], None], started: float
) -> None:
    """Take the steps of the current epoch that are left.

    `poll` is called after each, by several processes after some; `save` where train.save_every_steps says so. `started`
    is when the epoch began by time.perf_counter. Raises RunError if the loss is not finite.
    """
    state, every = run.state, run.config["train"]["save_every_steps"]
    # Validation may have left it in evaluation mode; batch norm must learn in every epoch.
    state.network.train()
    for indices in run.batches(state.epoch)[state.step :]:
        look = state.step % LOOK_EVERY == 0
        train_step(run, indices)
        state.step += 1
        state.seconds = time.perf_counter() - started
        progress.step(state.epoch)
        if look:
            seen = state.losses.look()
            stop_unless_finite("training", seen, run)
            progress.show(loss=seen, dice=state.best_dice if state.rows else None)
        if look or run.world.size == 1:
            poll()
        if every and state.step < run.steps and run.done % every == 0:
            save()


def train_step(run: Setup, indices: torch.Tensor) -> None:
    """Update the weights once by the images of a batch; nothing waits for the device."""
    state, world = run.state, run.world
    image, mask = run.augment(*run.train.take(indices), derive_seed(run.seed, state.epoch, state.step))
    loss = cross_entropy = run.zero
    parts = cut(torch.arange(len(mask)), run.images_at_once)
    for part in parts:
        share = world.part(int(part[0]), int(part[-1]) + 1)
        # DDP adds up the gradients of the processes once, in the backward pass of the last part.
        accumulates = world.size > 1 and part is not parts[-1]
        with run.forward.no_sync() if accumulates else nullcontext():
            with autocast(run.device, run.precision):
                logits = run.forward(run.normalise(image[share]))
            part_loss, part_cross_entropy = run.objective(logits.float(), mask[share], mask)
            state.scaler.scale(part_loss * world.size if world.size > 1 else part_loss).backward()
        loss, cross_entropy = loss + part_loss.detach(), cross_entropy + part_cross_entropy.detach()
    state.scaler.step(state.optimizer)
    state.scaler.update()
    if state.average:
        state.average.update(state.network)
    state.optimizer.zero_grad(set_to_none=True)
    state.scheduler.step()
    state.losses.add(loss, cross_entropy, len(mask))
