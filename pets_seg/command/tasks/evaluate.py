"""task=evaluate: score a trained run again, on its own images or on others."""

import hashlib
import json
import logging
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.leakage import choose, data_of, other_data, other_masks
from pets_seg.command.own_masks import tell_of_masks
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.plain import plain
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.config.weights import find_run
from pets_seg.data import open_dataset
from pets_seg.errors import InputError
from pets_seg.evaluation.mask_contents import check_masks
from pets_seg.evaluation.metrics import build_metrics
from pets_seg.machine.device import resolve_device
from pets_seg.machine.precision import use_device
from pets_seg.models.checkpoint import read_about
from pets_seg.run_folder.folder import RunFolder
from pets_seg.training.rescore import score_checkpoint

log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a setting out of its range, a bad checkpoint, or images that are not there."""
    keys = {*map(key_of, overrides)}
    config, folder, about, data = _read(cfg, keys)
    given = config["model"]
    if "model" in keys and given["_target_"] != about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network of the run is {about['model']['name']}; leave model out")
    made_of = [about["model"], {} if "data" in keys else data]
    check_sources(folder.path, folder.read_status().get("sources"), source_digests(made_of))
    dataset = open_dataset(data, needed=(), warn=False)
    # That of the run goes with its checkpoint, whatever the pictures are.
    if "data.range" in keys:
        dataset.index.refuse_unused_range()
    chosen = choose(config, folder, dataset.index, data["boundary"], own=not other_data(keys))
    check_masks(dataset, data, [chosen.split])


def run(cfg: DictConfig) -> float:
    """Print the figures of a split in one line, write them to the run's evaluations/, and return the Dice."""
    given = plain(HydraConfig.get().overrides.task, resolve=False)
    keys = {*map(key_of, given)}
    config, folder, about, data = _read(cfg, keys)
    device, precision = resolve_device(config["train"]["device"]), about["precision"]
    use_device(device)
    if precision == "fp16" and device.type != "cuda":
        log.warning(f"the run was in fp16, which {device.type} cannot compute; evaluating in fp32")
        precision = "fp32"
    dataset, metrics = open_dataset(data, needed=()), build_metrics(config["metric"])
    chosen = choose(config, folder, dataset.index, data["boundary"], own=not other_data(keys))
    name, split = chosen.split, getattr(dataset, chosen.split)
    scores = score_checkpoint(folder.best, device, precision, {name: split}, metrics)[name]

    means, contents = scores.means(), scores.contents()
    shown = {key: means[key] for key in ("dice", "iou", "loss", *metrics)}
    figures = {"split": name, "images": len(split), **shown, "ece": means["ece"]}
    figures |= {"data_digest": dataset.index.digest, "notes": chosen.notes}
    figures |= {"images_left_out": contents.left_out, "has_pet": contents.has_pet, "trained_on": chosen.trained}
    figures |= {"checkpoint": folder.best.name, "epoch": about["epoch"], "data": data}
    rows = scores.rows(name, split.stems)
    if other_data(keys):
        name = f"{name}-{data['name']}-{_digits(str(data.get('root')))}"
        # Figures against other masks of the same images must not replace each other.
        if masks := other_masks(data, folder, keys):
            name = f"{name}-{_digits(json.dumps(masks, sort_keys=True))}"
    written = folder.write_evaluation(name, figures, rows)
    words = [f"{key}={value:.4f}" for key, value in shown.items()]
    words += [f"trained_on={chosen.trained}"] if chosen.trained else []
    print(f"split={figures['split']} images={len(split)}", *words)
    for note in [*chosen.notes, *contents.remarks(chosen.split)]:
        log.warning(note)
    # Of its own data the run has said it.
    if other_data(keys):
        tell_of_masks(dataset.index, data, given, look="data" in keys)
    print(f"written to {written}")
    return means["dice"]


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _read(cfg: DictConfig, keys: set[str]) -> tuple[dict[str, Any], RunFolder, dict[str, Any], dict[str, Any]]:
    """Return the configuration, the run, what its checkpoint says of the network, and the `data` settings.

    `keys` are those that the command gives. The data are the run's unless it gives others; size and boundary rule are
    the run's in any case.
    """
    # Only the class of the network: what it is given beside the checkpoint is that of the run.
    config = check(cfg, named=("model",) if "data" in keys else ("model", "data"))
    allow(config)
    if not config["checkpoint"]:
        raise InputError("checkpoint: is needed with task=evaluate; give one, e.g. checkpoint=runs/default/RUN")
    folder = RunFolder(find_run(config["checkpoint"]))
    about = read_about(folder.best)
    return config, folder, about, data_of(config, folder, about, keys)
