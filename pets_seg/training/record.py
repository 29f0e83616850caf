"""What a run records: after each epoch, and at its end."""

from collections.abc import Iterable, Mapping
from typing import Any

from pets_seg.config.weights import run_of
from pets_seg.data import Batches
from pets_seg.data.batches import mask_of_trimap
from pets_seg.evaluation.calibration import reliability
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.evaluation.mask_contents import summary_of
from pets_seg.models.checkpoint import save_weights
from pets_seg.models.cost import count_macs, count_parameters
from pets_seg.run_folder.data_record import DATA_DIGEST, EARLIER, TRUTH, UNKNOWN
from pets_seg.run_folder.names import CALIBRATION, DATA, METRICS, PER_IMAGE
from pets_seg.run_folder.recorded_data import trained_images
from pets_seg.training.memory import peak_memory_mb
from pets_seg.training.setup import Setup
from pets_seg.training.state import State
from pets_seg.training.tracked import step_rows

DICE_MARKS = {"epochs_to_080": 0.80, "epochs_to_085": 0.85, "epochs_to_088": 0.88, "epochs_to_090": 0.90}


def epoch_row(
    run: Setup, loss: float, cross_entropy: float, scores: Scores, validation_seconds: float
) -> dict[str, Any]:
    """Return the row of metrics.csv for the current epoch, which has just been validated; `loss` is the objective."""
    state, means = run.state, scores.means()
    images = state.losses.images
    row = {
        "epoch": state.epoch,
        "train/loss": cross_entropy,
        **{f"val/{name}": means[name] for name in ("loss", "dice", "iou", "ece")},
        "lr": state.scheduler.get_last_lr()[0],
        "seconds": state.seconds + validation_seconds,
        "images_per_second": images / state.seconds,
        "images_seen": images + (state.rows[-1]["images_seen"] if state.rows else 0),
        "updates": run.steps_per_epoch * state.epoch,
    }
    if run.logs_objective:
        row["train/objective"] = loss
        # A teacher does not see the images of validation: without its part there is nothing to compare.
        if run.distillation is None:
            row["val/objective"] = run.objective.mean_of(scores)
    return row | {f"val/{name}": means[name] for name in run.metrics}


def write_epoch(run: Setup, is_best: bool) -> None:
    """Write, on rank 0, metrics.csv, steps.csv and, if they are those of the last epoch, the best weights."""
    if not run.world.first:
        return
    if is_best:
        save_weights(run.folder.best, run.state.best_weights, {**run.about, "epoch": run.state.best_epoch})
    run.folder.write_rows(METRICS, run.state.rows)
    write_steps(run)


def write_steps(run: Setup) -> None:
    """Write steps.csv, of which only the steps since the last call are rendered."""
    rows = step_rows(run, after=run.steps_written)
    run.steps_table.add(rows)
    run.steps_written = rows[-1]["step"] if rows else run.steps_written


def record_data(run: Setup) -> None:
    """Write what the run is trained on: digests of the files, so that it knows later whether they are the same."""
    data = run.state.data
    # Of a run that an older version began, it is unknown what the first epochs were trained on.
    run.folder.note(data=data)
    if data is not None:
        index = run.dataset.index
        truths = index.truths(mask_of_trimap(run.about["boundary"]).tolist())
        rows = [file._asdict() | {TRUTH: truth} for file, truth in zip(index.files, truths, strict=True)]
        # What a teacher knows of its images, its student may know too.
        weights = [run.checkpoint, run.distillation and run.distillation.teacher]
        known = [trained_images(run_of(item.path)) for item in weights if item]
        earlier = sorted({image for images, _ in known for image in images})
        earlier += [] if all(complete for _, complete in known) else [UNKNOWN]
        rows += [{"split": EARLIER, "stem": "", "image": image, "mask": "", TRUTH: ""} for image in earlier]
        run.folder.write_rows(DATA, rows)


def score_best(run: Setup) -> dict[str, Any]:
    """Score the best weights on validation and test images, write the results, and return the summary."""
    best, dataset = run.state.use_best(), run.dataset
    splits = {"valid": run.valid, "test": Batches(dataset.test, run.device, run.about["boundary"])}
    scores = {
        split: evaluate(best, batches, run.normalise, run.autocast, run.metrics, run.world, run.poll_if_alone)
        for split, batches in splits.items()
    }
    means = {split: scores[split].means() for split in scores}
    summary = summarise(run.state, means["test"]) | metric_summary(run.metrics, means["valid"], means["test"])
    summary |= summary_of({split: scores[split].contents() for split in scores})
    summary |= {
        "parameters": count_parameters(run.state.network),
        "macs": count_macs(run.state.network, run.about["size"]),
        "peak_memory_mb": peak_memory_mb(run.device),
        DATA_DIGEST: run.state.data["digest"] if run.state.data else None,
    }
    if run.world.first:
        rows = scores["valid"].rows("valid", dataset.valid.stems) + scores["test"].rows("test", dataset.test.stems)
        run.folder.write_rows(PER_IMAGE, rows)
        bins = [{"split": split, **row} for split in scores for row in reliability(scores[split].levels)]
        run.folder.write_rows(CALIBRATION, bins)
        run.folder.write_summary(summary)
    return summary


def summarise(state: State, test: Mapping[str, float]) -> dict[str, Any]:
    """Return the figures of the best epoch, with those of the test images, and the epochs to some Dice marks."""
    rows, best = state.rows, state.best_row
    summary = {
        "best_epoch": best["epoch"],
        "best_val_dice": best["val/dice"],
        "val_loss_at_best": best["val/loss"],
        "test_dice": test["dice"],
        "test_iou": test["iou"],
        "test_loss": test["loss"],
        "test_ece": test["ece"],
        "train_seconds": sum(row["seconds"] for row in rows),
        "images_seen": rows[-1]["images_seen"],
        "updates": rows[-1]["updates"],
    }
    return summary | {
        key: next((row["epoch"] for row in rows if row["val/dice"] >= mark), None) for key, mark in DICE_MARKS.items()
    }


def metric_summary(metrics: Iterable[str], valid: Mapping[str, float], test: Mapping[str, float]) -> dict[str, float]:
    """Return the figures of `metrics` from the means of the best weights over both splits."""
    return {key: means[n] for n in metrics for key, means in ((f"val_{n}_at_best", valid), (f"test_{n}", test))}
