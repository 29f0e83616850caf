"""Another metric for a run that is finished: its best weights are scored again."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pets_seg.config.sources import source_files
from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.data.cache import Split
from pets_seg.errors import InputError
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.evaluation.metrics import Metric, build_metrics, metric_records, missing_metrics
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.names import METRICS, PER_IMAGE
from pets_seg.training.record import metric_summary

log = logging.getLogger("pets_seg")


def score_checkpoint(
    weights: Path, device: torch.device, precision: str, splits: Mapping[str, Split], metrics: Mapping[str, Metric]
) -> dict[str, Scores]:
    """Return what the network of a checkpoint scores on each of `splits`."""
    about, network = read_about(weights), load_network(weights, device)
    normalise = Normalise(about["normalisation"], device, memory_format(device, network))
    context = autocast(device, precision)
    return {
        name: evaluate(network, Batches(split, device, about["boundary"]), normalise, context, metrics)
        for name, split in splits.items()
    }


def add_metrics(config: Mapping[str, Any], known: Any, folder: RunFolder, device: torch.device) -> bool:
    """Write the metrics of `config` that are not `known` into the files of a finished run; return whether it did.

    `known` is what status.json has of metrics. In metrics.csv only the row of the best epoch gets them.
    """
    names = missing_metrics(config["metric"], known)
    if not names:
        return False
    records = metric_records(config["metric"])
    known = known if isinstance(known, Mapping) else {}
    dataset = open_dataset(config["data"])
    splits = {"valid": dataset.valid, "test": dataset.test}
    log.info(f"scoring the best weights again for {', '.join(names)}")
    use_device(device, config["train"]["deterministic"])
    metrics = build_metrics({name: config["metric"][name] for name in names})
    scores = score_checkpoint(folder.best, device, config["train"]["precision"], splits, metrics)

    images, epochs, summary = folder.read_rows(PER_IMAGE), folder.read_rows(METRICS), folder.read_summary()
    scored = {
        (row["split"], row["stem"]): {name: row[name] for name in names}
        for split in splits
        for row in scores[split].rows(split, splits[split].stems)
    }
    if {(row["split"], row["stem"]) for row in images} != scored.keys():
        raise InputError(
            f"{folder.path}: its images are not those of the data set now; existing=restart trains it again"
        )
    valid, test = scores["valid"].means(), scores["test"].means()
    for row in epochs:
        is_best = int(row["epoch"]) == summary["best_epoch"]
        row |= {f"val/{name}": valid[name] if is_best else "" for name in names}
    folder.write_rows(PER_IMAGE, [row | scored[row["split"], row["stem"]] for row in images])
    folder.write_rows(METRICS, epochs)
    folder.write_summary(summary | metric_summary(names, valid, test))
    code = folder.read_status().get("source_files")
    code = {**(code if isinstance(code, Mapping) else {}), **source_files(config["metric"])}
    folder.note(metrics={**known, **{name: records[name] for name in names}}, source_files=code)
    return True
