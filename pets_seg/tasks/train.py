"""task=train: make or continue a run folder."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pets_seg.augment import check_operations
from pets_seg.checks import check
from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.errors import InputError, RunError
from pets_seg.messages import one_line
from pets_seg.models import NETWORKS
from pets_seg.tracking.run_folder import RunFolder, describe_machine, git_commit
from pets_seg.tracking.wandb_sink import WandbSink
from pets_seg.training.loop import train
from pets_seg.training.optimizers import build_optimizer, build_scheduler
from pets_seg.training.precision import resolve_device, resolve_precision
from pets_seg.training.progress import duration

log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for what can be known before the run folder is made; fetch and decode what is needed."""
    check(cfg)
    if cfg.model.get("pretrained"):
        from pets_seg.models.resnet34_unet import imagenet_weights

        imagenet_weights()
    check_operations(cfg.aug.operations, cfg.data.size)
    if cfg.model.name not in NETWORKS:
        raise InputError(f"model.name={cfg.model.name}: is one of {', '.join(NETWORKS)}")
    build_scheduler(cfg.scheduler, build_optimizer(cfg.optimizer, torch.nn.Linear(1, 1)), steps=100)
    ensure_decoded(cfg.data)


def run(cfg: DictConfig) -> float:
    """Train the run of this configuration, unless it is finished already; return its best validation Dice."""
    folder = RunFolder(Path(HydraConfig.get().runtime.output_dir))
    status = folder.read_status()
    if cfg.existing == "restart":
        folder.clear()
    elif status:
        _tell_commit(status)
        if status["state"] == "finished":
            log.info(f"{_shown(folder)}: finished already (existing=restart trains it again)")
            summary = folder.read_summary()
            _show_result(summary)
            return summary["best_val_dice"]
    sink = None
    try:
        check(cfg)
        device = resolve_device(cfg.train.device)
        config = OmegaConf.to_container(cfg, resolve=True)
        config["train"]["precision"] = resolve_precision(cfg.train.precision, device)
        folder.write_status("running", **describe_machine(_describe(device)))
        folder.write_config(config)
        log.info(f"{_shown(folder)}: {cfg.model.name} on {_describe(device)}, {config['train']['precision']}")
        sink = WandbSink(config, folder.path)
        summary = train(cfg, open_dataset(cfg.data), folder, sink)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            folder.write_status("interrupted", error, "interrupted by the user")
        else:
            error = _out_of_memory(error, cfg) or error
            folder.write_status("failed", error, one_line(error))
        if sink:
            sink.finish({}, failed=True)
        raise error
    sink.finish(summary)
    folder.write_status("finished")
    _show_result(summary)
    return summary["best_val_dice"]


def _out_of_memory(error: BaseException, cfg: DictConfig) -> RunError | None:
    on_host = isinstance(error, MemoryError) or any(
        text in str(error) for text in ("can't allocate memory", "out of memory")
    )
    if not on_host and not isinstance(error, torch.OutOfMemoryError):
        return None
    fewer = max(1, cfg.train.batch_size // 2)
    return RunError(
        f"out of memory with train.batch_size={cfg.train.batch_size} at data.size={cfg.data.size}; "
        f"try train.batch_size={fewer} or a smaller data.size"
    )


def _tell_commit(status: dict[str, Any]) -> None:
    then, now = status.get("git"), git_commit()
    if then and now and then["commit"] != now["commit"]:
        log.warning(f"this run was begun with commit {then['commit'][:10]}, the code is now at {now['commit'][:10]}")


def _shown(folder: RunFolder) -> str:
    return str(folder.path.relative_to(Path.cwd()) if folder.path.is_relative_to(Path.cwd()) else folder.path)


def _describe(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _show_result(summary: dict[str, Any]) -> None:
    log.info(
        f"best epoch {summary['best_epoch']}: val dice {summary['best_val_dice']:.4f}; "
        f"test dice {summary['test_dice']:.4f}, iou {summary['test_iou']:.4f}, loss {summary['test_loss']:.4f}"
    )
    log.info(
        f"{summary['parameters'] / 1e6:.2f} M parameters, {summary['macs'] / 1e9:.2f} G multiply-accumulates an image, "
        f"peak memory {summary['peak_memory_mb']:.0f} MB, {duration(summary['train_seconds'])}"
    )
