"""What a run writes down: after each epoch, and at its end."""

from collections.abc import Callable
from typing import Any

from pets_seg.data import Batches
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.evaluation.rows import calibration_rows, per_image_rows
from pets_seg.models.checkpoint import save_weights
from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.run_folder.folder import RunFolder
from pets_seg.tracking.tracker import Tracker
from pets_seg.training.memory import peak_memory_mb
from pets_seg.training.pictures import pictures
from pets_seg.training.precision import autocast
from pets_seg.training.setup import Setup
from pets_seg.training.summary import metric_summary, summarise


def epoch_row(
    run: Setup, loss: float, cross_entropy: float, scores: Scores, train_seconds: float, seconds: float
) -> dict[str, Any]:
    """Return the row of metrics.csv for the epoch that has just been validated; `loss` is the mean objective.

    `seconds` are those of the epoch so far, `train_seconds` those without validation.
    """
    state, means = run.state, scores.means()
    images = state.losses.images
    row = {
        "epoch": state.epoch,
        "train/loss": cross_entropy,
        **{f"val/{name}": means[name] for name in ("loss", "dice", "iou", "ece")},
        "lr": state.scheduler.get_last_lr()[0],
        "seconds": seconds,
        "images_per_second": images / train_seconds,
        "images_seen": images + (state.rows[-1]["images_seen"] if state.rows else 0),
        "updates": run.steps * state.epoch,
    }
    if not run.objective.is_cross_entropy:
        row |= {"train/objective": loss, "val/objective": run.objective.of(scores)}
    return row | {f"val/{name}": means[name] for name in run.metrics}


def write_epoch(folder: RunFolder, run: Setup, better: bool) -> None:
    """Write what follows from the state at the end of an epoch: metrics.csv, and the best weights if they are new."""
    if better:
        save_weights(folder.best, run.state.best_weights, {**run.about, "epoch": run.state.best_epoch})
    folder.write_metrics(run.state.rows)


def score_best(run: Setup, folder: RunFolder, tracker: Tracker, poll: Callable[[], None]) -> dict[str, Any]:
    """Score the best weights on validation and test images, write the results, and return the summary.

    `poll` is called between batches.
    """
    best = run.state.use_best()
    splits = {
        "valid": (run.dataset.valid.stems, run.valid),
        "test": (run.dataset.test.stems, Batches(run.dataset.test, run.device, run.config["data"]["boundary"])),
    }
    context = autocast(run.device, run.precision)
    scores = {
        name: evaluate(best, batches, run.normalise, context, run.metrics, run.world, poll)
        for name, (_, batches) in splits.items()
    }
    summary = summarise(run.state.rows, scores["test"].means())
    summary |= metric_summary(run.metrics, scores["valid"].means(), scores["test"].means())
    summary |= {
        "parameters": count_parameters(run.state.network),
        "macs": count_macs(run.state.network, run.config["data"]["size"]),
        "peak_memory_mb": peak_memory_mb(run.device),
    }
    if run.world.first:
        folder.write_per_image([row for name in splits for row in per_image_rows(name, splits[name][0], scores[name])])
        folder.write_calibration([row for name in splits for row in calibration_rows(name, scores[name])])
        folder.write_summary(summary)
    if tracker.wants_pictures:
        tracker.log_pictures(pictures(best, run.valid, run.dataset.valid.stems, run.normalise, context))
    return summary
