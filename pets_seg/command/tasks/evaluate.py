"""task=evaluate: score a trained run again, on its own images or on others."""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pets_seg.config.checks import check
from pets_seg.config.parts import allow, check_sources, source_digests
from pets_seg.config.plain import plain
from pets_seg.data import Batches, Normalise, ensure_decoded, open_dataset
from pets_seg.errors import InputError
from pets_seg.evaluation.evaluate import evaluate
from pets_seg.evaluation.metrics import build_metrics
from pets_seg.evaluation.prediction import recorded_data
from pets_seg.evaluation.rows import per_image_rows
from pets_seg.machine.device import resolve_device
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.precision import autocast, use_device

log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, a bad checkpoint, or images that are not there."""
    # What a network or source is given beside the checkpoint is that of the run.
    config = check(cfg, named=("model",))
    allow(config)
    folder, weights = find_checkpoint(config["checkpoint"])
    about = read_about(weights)
    given = config["model"]
    if "model" in (keys := _keys(overrides)) and given["_target_"] != about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network of the run is {about['model']['name']}; leave model out")
    data = _data(config, keys, about, weights)
    made_of = [about["model"], {} if "data" in keys else data]
    check_sources(folder.path, folder.read_status().get("sources"), source_digests(made_of))
    ensure_decoded(data)


def run(cfg: DictConfig) -> float:
    """Print the figures of a split in one line, write them to the run's evaluations/, and return the Dice."""
    config = check(cfg, named=("model",))
    allow(config)
    keys = _keys(plain(HydraConfig.get().overrides.task, resolve=False))
    folder, weights = find_checkpoint(config["checkpoint"])
    about = read_about(weights)
    device = resolve_device(config["train"]["device"])
    use_device(device)
    precision = about["precision"]
    if precision == "fp16" and device.type != "cuda":
        log.warning(f"the run was in fp16, which {device.type} cannot compute; evaluating in fp32")
        precision = "fp32"
    data, name = _data(config, keys, about, weights), config["split"]
    split = getattr(open_dataset(data), name)

    network = load_network(weights, device)
    metrics = build_metrics(config["metric"])
    scores = evaluate(
        network,
        Batches(split, device, about["boundary"]),
        Normalise(about["normalisation"], device, memory_format(device, network)),
        autocast(device, precision),
        metrics,
    )
    means = scores.means()
    figures = {"split": name, "images": len(split)}
    figures |= {key: means[key] for key in ("dice", "iou", "loss", *metrics)}
    rows = per_image_rows(name, split.stems, scores)
    if "data" in keys:
        root = hashlib.sha256(str(data.get("root")).encode()).hexdigest()[:6]
        name = f"{name}-{data['name']}-{root}"
    written = folder.write_evaluation(
        name,
        {**figures, "ece": means["ece"], "checkpoint": weights.name, "epoch": about["epoch"], "data": data},
        rows,
    )
    print(
        " ".join(
            f"{key}={value:.4f}" if isinstance(value, float) else f"{key}={value}" for key, value in figures.items()
        )
    )
    print(f"written to {written}")
    return figures["dice"]


def find_checkpoint(given: str | None) -> tuple[RunFolder, Path]:
    """Return the run folder that `checkpoint` names, itself or by a file in it, and the weights of its best epoch."""
    if not given:
        raise InputError(
            "checkpoint: is needed with task=evaluate: give a run folder, e.g. checkpoint=runs/default/RUN"
        )
    path = Path(os.path.expanduser(given)).absolute()
    if not os.path.exists(path):
        raise InputError(f"checkpoint={given}: {path} is not there; give a run folder or a file in it")
    for folder in (path, *path.parents[:2]):
        weights = folder / "checkpoints" / "best.safetensors"
        if weights.is_file():
            return RunFolder(folder), weights
    raise InputError(f"checkpoint={given}: holds no checkpoints/best.safetensors; give a run that finished an epoch")


def _keys(overrides: Sequence[str]) -> set[str]:
    return {override.lstrip("+~").partition("=")[0] for override in overrides}


def _data(config: dict[str, Any], keys: set[str], about: dict[str, Any], weights: Path) -> dict[str, Any]:
    """Return the `data` settings: the run's, or those given; size and boundary rule are the run's in any case."""
    given = config["data"]
    if "data" in keys:
        data = given
    else:
        data = recorded_data(weights.absolute().parent.parent / "config.yaml")
        data |= {key: given[key] for key in ("skip_bad", "cache_dir") if f"data.{key}" in keys}
    return data | {key: about[key] for key in ("size", "boundary", "normalisation")}
