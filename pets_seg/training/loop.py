"""The training of one run, from top to bottom."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import DictConfig

from pets_seg.augment import Augment
from pets_seg.data import Batches, Dataset, Normalise
from pets_seg.data.batches import cut, epoch_batches
from pets_seg.errors import RunError
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.models import build_model
from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.seeding import derive_seed
from pets_seg.tracking.run_folder import RunFolder, per_image_rows
from pets_seg.tracking.wandb_sink import WandbSink
from pets_seg.training.checkpoint import load_network, load_state, save_state, save_weights
from pets_seg.training.losses import Objective, soft_dice
from pets_seg.training.memory import peak_memory_mb, reset_peak
from pets_seg.training.optimizers import build_optimizer, build_scheduler
from pets_seg.training.precision import autocast, memory_format, resolve_device, resolve_precision, use_device
from pets_seg.training.progress import Progress, quicker
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.weight_average import WeightAverage

log = logging.getLogger("pets_seg")
# The host looks at the loss once in so many steps: for the bar, and to stop at a NaN.
LOOK_EVERY = 5
DICE_MARKS = {"epochs_to_080": 0.80, "epochs_to_085": 0.85, "epochs_to_088": 0.88, "epochs_to_090": 0.90}


def train(cfg: DictConfig, dataset: Dataset, folder: RunFolder, sink: WandbSink) -> dict[str, Any]:
    """Train what `cfg` describes, or go on from the folder's last checkpoint; return the summary, written there too.

    Raises RunError if the loss is not finite or memory runs out.
    """
    device = resolve_device(cfg.train.device)
    precision = resolve_precision(cfg.train.precision, device)
    use_device(device, cfg.train.deterministic)
    reset_peak(device)
    torch.manual_seed(cfg.seed)

    network = build_model(**cfg.model).to(device)
    layout = memory_format(device, network)
    network = network.to(memory_format=layout)
    if cfg.train.checkpoint_activations:
        network.checkpoint_activations = True
    forward = torch.compile(network) if cfg.train.compile else network
    average = WeightAverage(network, cfg.train.ema) if cfg.train.ema else None
    validated = average.network if average else network
    objective = Objective(cfg.loss.cross_entropy, cfg.loss.dice)
    images = len(dataset.train)
    steps = len(epoch_batches(images, cfg.train.batch_size, cfg.seed, 0))
    optimizer = build_optimizer(cfg.optimizer, network)
    scheduler = build_scheduler(cfg.scheduler, optimizer, steps * cfg.train.epochs)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    augment = Augment(cfg.aug.operations, cfg.aug.get("keep_original", False))
    normalise = Normalise(cfg.data.normalisation, device, layout)
    batches = Batches(dataset.train, device, cfg.data.boundary)
    valid = Batches(dataset.valid, device, cfg.data.boundary)
    at_once = math.ceil(cfg.train.batch_size / cfg.train.accumulate)
    extra = soft_dice if cfg.loss.dice else None
    nothing = torch.zeros((), device=device)

    rows: list[dict[str, Any]] = []
    state = load_state(folder.last)
    if state:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        scaler.load_state_dict(state["scaler"])
        if average:
            average.load_state_dict(state["average"])
        rows = state["rows"]
        for row in rows:
            # A run begun before these were counted saw every image once an epoch.
            row.setdefault("images_seen", images * row["epoch"])
            row.setdefault("updates", steps * row["epoch"])
        log.info(f"continuing after epoch {len(rows)} of {cfg.train.epochs}")
        for row in rows:
            sink.log(row)

    best = max((row["val/dice"] for row in rows), default=-1.0)
    about = {"model": dict(cfg.model), "size": cfg.data.size, "normalisation": cfg.data.normalisation}
    about |= {"boundary": cfg.data.boundary, "precision": precision}
    with Progress(cfg.train.epochs, steps, len(rows), quicker(cfg, device.type)) as progress:
        for epoch in range(len(rows) + 1, cfg.train.epochs + 1):
            started = time.perf_counter()
            losses = RunningLoss(device)
            # Validation may have left it in evaluation mode; batch norm must learn in every epoch.
            network.train()
            for step, indices in enumerate(epoch_batches(images, cfg.train.batch_size, cfg.seed, epoch)):
                image, mask = batches.take(indices)
                image, mask = augment(image, mask, derive_seed(cfg.seed, epoch, step))
                loss = entropy = nothing
                parts = [len(part) for part in cut(torch.arange(len(mask)), at_once)]
                for some_images, some_masks in zip(image.split(parts), mask.split(parts), strict=True):
                    with autocast(device, precision):
                        logits = forward(normalise(some_images))
                    share, share_of_entropy = objective(logits.float(), some_masks, mask)
                    scaler.scale(share).backward()
                    loss, entropy = loss + share.detach(), entropy + share_of_entropy.detach()
                scaler.step(optimizer)
                scaler.update()
                if average:
                    average.update(network)
                optimizer.zero_grad(set_to_none=True)
                scheduler.step()
                losses.add(loss, entropy, len(mask))
                progress.step(epoch)
                if step % LOOK_EVERY == 0:
                    seen = losses.look()
                    _stop_unless_finite("training", seen, epoch, cfg, precision)
                    progress.show(loss=seen, dice=best if best >= 0 else None)
            mean_loss, mean_entropy = losses.means()
            _stop_unless_finite("training", mean_loss, epoch, cfg, precision)
            train_seconds = time.perf_counter() - started

            scores = evaluate(validated, valid, normalise, autocast(device, precision), extra)
            means = scores.means()
            # The last update of an epoch can spoil the weights without a training loss that shows it.
            _stop_unless_finite("validation", means["loss"], epoch, cfg, precision)
            row = {
                "epoch": epoch,
                "train/loss": mean_entropy,
                "val/loss": means["loss"],
                "val/dice": means["dice"],
                "val/iou": means["iou"],
                "lr": scheduler.get_last_lr()[0],
                "seconds": time.perf_counter() - started,
                "images_per_second": losses.images / train_seconds,
                "images_seen": losses.images + (rows[-1]["images_seen"] if rows else 0),
                "updates": steps * epoch,
            }
            if not objective.is_cross_entropy:
                validation = objective.combine(means["loss"], scores.extra.mean().item())
                row |= {"train/objective": mean_loss, "val/objective": validation}
            rows.append(row)
            if row["val/dice"] > best:
                best = row["val/dice"]
                save_weights(folder.best, validated, {**about, "epoch": epoch})
            folder.write_metrics(rows)
            save_state(
                folder.last,
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scheduler": scheduler.state_dict(),
                    "scaler": scaler.state_dict(),
                    "average": average.state_dict() if average else None,
                    "rows": rows,
                },
            )
            sink.log(row)
            progress.epoch(row, best=row["val/dice"] == best)

    network = load_network(folder.best, device)
    test = Batches(dataset.test, device, cfg.data.boundary)
    splits = {"valid": (dataset.valid, valid), "test": (dataset.test, test)}
    scores = {
        name: evaluate(network, part, normalise, autocast(device, precision)) for name, (_, part) in splits.items()
    }
    folder.write_per_image(
        [row for name in splits for row in per_image_rows(name, splits[name][0].stems, scores[name])]
    )
    summary = summarise(rows, scores["test"])
    summary |= {"parameters": count_parameters(network), "macs": count_macs(network, cfg.data.size)}
    summary |= {"peak_memory_mb": peak_memory_mb(device)}
    folder.write_summary(summary)
    return summary


def summarise(rows: Sequence[dict[str, Any]], test: Scores) -> dict[str, Any]:
    """Return what a run reached: the best validated epoch, its test figures, and the epochs to some Dice marks."""
    best = max(rows, key=lambda row: row["val/dice"])
    means = test.means()
    summary = {
        "best_epoch": best["epoch"],
        "best_val_dice": best["val/dice"],
        "val_loss_at_best": best["val/loss"],
        "test_dice": means["dice"],
        "test_iou": means["iou"],
        "test_loss": means["loss"],
        "train_seconds": sum(row["seconds"] for row in rows),
        "images_seen": rows[-1]["images_seen"],
        "updates": rows[-1]["updates"],
    }
    for key, mark in DICE_MARKS.items():
        summary[key] = next((row["epoch"] for row in rows if row["val/dice"] >= mark), None)
    return summary


def _stop_unless_finite(kind: str, loss: float, epoch: int, cfg: DictConfig, precision: str) -> None:
    if not math.isfinite(loss):
        raise RunError(
            f"the {kind} loss is {loss} in epoch {epoch}; try a lower optimizer.lr (now {cfg.optimizer.lr:g})"
            + (" or train.precision=fp32" if precision != "fp32" else "")
        )
