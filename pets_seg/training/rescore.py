"""Another metric for a run that is finished: its best weights are scored again."""

import logging
from collections.abc import Mapping
from typing import Any

import torch

from pets_seg.data import Batches, Normalise, open_dataset
from pets_seg.errors import InputError
from pets_seg.evaluation.evaluate import Scores, evaluate
from pets_seg.evaluation.metrics import build_metrics, metric_records
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.precision import autocast, use_device
from pets_seg.training.summary import metric_summary

log = logging.getLogger("pets_seg")


def add_metrics(config: Mapping[str, Any], known: Any, folder: RunFolder, device: torch.device) -> bool:
    """Write the metrics of `config` that are not `known` into the files of a finished run; return whether it did.

    `known` is what status.json has of metrics. In metrics.csv the row of the best epoch gets them; other epochs stay
    empty.
    """
    records = metric_records(config["metric"])
    known = known if isinstance(known, Mapping) else {}
    names = [name for name, record in records.items() if known.get(name) != record]
    if not names:
        return False
    dataset = open_dataset(config["data"])
    log.info(f"scoring the best weights again for {', '.join(names)}")
    use_device(device, config["train"]["deterministic"])
    network = load_network(folder.best, device)
    metrics = build_metrics({name: config["metric"][name] for name in names})
    normalise = Normalise(config["data"]["normalisation"], device, memory_format(device, network))
    means, columns = {}, {}
    for split in ("valid", "test"):
        part = getattr(dataset, split)
        batches = Batches(part, device, config["data"]["boundary"])
        scores = evaluate(network, batches, normalise, autocast(device, config["train"]["precision"]), metrics)
        means[split] = scores.means()
        columns |= {(split, stem): values for stem, values in zip(part.stems, _rows(scores), strict=True)}
    _write(folder, names, columns, means)
    folder.note(metrics={**known, **{name: records[name] for name in names}})
    return True


def _rows(scores: Scores) -> list[dict[str, Any]]:
    figures = {name: values.tolist() for name, values in scores.figures.items()}
    return [dict(zip(figures, row, strict=True)) for row in zip(*figures.values(), strict=True)]


def _write(
    folder: RunFolder,
    names: list[str],
    columns: Mapping[tuple[str, str], Mapping[str, Any]],
    means: Mapping[str, Mapping[str, float]],
) -> None:
    images, epochs, summary = folder.read_per_image(), folder.read_metrics(), folder.read_summary()
    if {(row["split"], row["stem"]) for row in images} != columns.keys():
        raise InputError(
            f"{folder.path}: its images are not those of the data set now; existing=restart trains it again"
        )
    best = {"epoch": summary["best_epoch"]} | {f"val/{name}": means["valid"][name] for name in names}
    for row in epochs:
        row |= best if int(row["epoch"]) == best["epoch"] else dict.fromkeys(list(best)[1:], "")
    folder.write_per_image([row | columns[row["split"], row["stem"]] for row in images])
    folder.write_metrics(epochs)
    folder.write_summary(summary | metric_summary(names, means["valid"], means["test"]))
