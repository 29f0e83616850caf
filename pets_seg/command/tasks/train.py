"""task=train: make or continue a run folder."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.augment import check_operations
from pets_seg.command.after_run import show_files, show_next, show_result
from pets_seg.command.arguments import config_folder
from pets_seg.command.messages import exit_code, one_line
from pets_seg.command.replay import check_same_parts
from pets_seg.command.schedule import Schedule
from pets_seg.config.checks import check
from pets_seg.config.identity import made_of
from pets_seg.config.parts import allow, check_sources, source_digests
from pets_seg.data import ensure_decoded, open_dataset
from pets_seg.errors import InputError, RunError
from pets_seg.evaluation.metrics import metric_records
from pets_seg.machine.device import describe_device, resolved
from pets_seg.machine.terminal import from_here
from pets_seg.machine.world import World, this_world
from pets_seg.run_folder.config_file import recorded_threads
from pets_seg.run_folder.folder import RunFolder, describe_machine, git_commit
from pets_seg.run_folder.lock import locked
from pets_seg.tracking.tracker import Tracker, begin, check_tracker, finished_already
from pets_seg.training.distributed import joined, lost_process
from pets_seg.training.interruption import Interruption
from pets_seg.training.loop import train
from pets_seg.training.rescore import add_metrics
from pets_seg.training.trial import try_parts

# What is shown of a run; a summary without it is made again.
SHOWN = {"best_epoch", "best_val_dice", "test_dice", "test_iou", "test_loss"}
SHOWN |= {"parameters", "macs", "peak_memory_mb", "train_seconds"}
log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for what can be known before the run folder is made; fetch and decode what is needed."""
    config = check(cfg)
    allow(config)
    if this_world().first:
        check_tracker(config["tracker"], False)
    if cfg.replay:
        check_same_parts(cfg)
    check_operations(config["aug"]["operations"], config["data"]["size"])
    try_parts(config)
    # They are those of the code that is in memory now, whatever becomes of its files.
    source_digests(made_of(config))
    metric_records(config["metric"])
    ensure_decoded(config["data"])


def run(cfg: DictConfig) -> float:
    """Train the run of this configuration, unless it is finished already; return its best validation Dice."""
    hydra = HydraConfig.get()
    path = Path(hydra.runtime.output_dir)
    if cfg.replay:
        _use_threads_of(cfg.replay)
    if hydra.mode != RunMode.RUN:
        # A sweep ends with a page of all its runs.
        return train_run(cfg, path, end=lambda copy: None)
    dice = train_run(cfg, path, end=lambda copy: show_files(path, copy))
    if this_world().first:
        # A user's own options are found again by what Hydra was told; how it is not a sweep does not belong there.
        told = [word for word in hydra.overrides.hydra if word.startswith(("hydra.searchpath=", "hydra.run."))]
        show_next([*config_folder(), *told, *hydra.overrides.task], cfg.aug.name, cfg.seed)
    return dice


def _use_threads_of(replayed: str) -> None:
    """Compute with as many threads as a replayed run did, for its figures' sake; say if that cannot be."""
    threads, processes = recorded_threads(replayed) or (None, None)
    if threads is None:
        log.warning(
            f"replay={replayed}: its status.json does not say with how many threads it was made; here they are "
            f"{torch.get_num_threads()}, and with another number figures differ by rounding"
        )
        return
    if threads > _cores():
        log.warning(
            f"replay={replayed}: it was made with {threads} threads, more than this machine has cores; here they are "
            f"{torch.get_num_threads()}, and figures will differ by rounding"
        )
    elif threads != torch.get_num_threads():
        log.info(f"number of threads: {threads} instead of {torch.get_num_threads()}, as the replayed run had")
        torch.set_num_threads(threads)
    if processes != this_world().size:
        log.warning(
            f"replay={replayed}: it was made by {processes} processes and now there are {this_world().size}; figures "
            "will differ by rounding"
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_run(cfg: DictConfig, path: Path, end: Callable[[dict[str, str]], None]) -> float:
    """Train a run into the folder `path`, unless it is finished there; return its best validation Dice.

    `end` is called once its figures are shown, before another process may have the folder, and told where the tracker's
    copy is.
    """
    folder = RunFolder(path)
    config, device = resolved(check(cfg))
    # Other launchers run jobs in processes that prepared nothing.
    allow(config)
    with joined(device) as world, Interruption(world) as stop:
        if not world.first:
            return _follow(config, device, folder, stop, world)
        told = False
        try:
            with locked(folder.path):
                folder.tidy()
                summary = _finished(config, folder, device)
                where = finished_already(config["tracker"], path) if summary else {}
                told = True
                if world.broadcast(summary is None):
                    summary, where = _train(config, device, folder, stop, world)
                show_result(summary)
                end(where)
                return summary["best_val_dice"]
        except BaseException as error:
            if not told:
                with suppress(RuntimeError):
                    world.broadcast(False)
            raise lost_process(error, world) or error from None


def _follow(config: dict[str, Any], device: torch.device, folder: RunFolder, stop: Interruption, world: World) -> float:
    """Train with the first process, which alone writes; return 0 if it says that there is nothing to train."""
    if not world.broadcast(None):
        return 0.0
    try:
        summary = train(config, open_dataset(config["data"]), folder, device, None, stop.poll, world)
    except Exception as error:
        # Rank 0 reports what every rank raises, and that a rank is lost.
        if isinstance(error, RunError | InputError) or lost_process(error, world):
            sys.exit(exit_code(error))
        raise _out_of_memory(error, config) or error from None
    return summary["best_val_dice"]


def _finished(config: dict[str, Any], folder: RunFolder, device: torch.device) -> dict[str, Any] | None:
    """Return the summary of a run that is finished, with all metrics; None if there is something to train."""
    if config["existing"] == "restart":
        folder.clear()
        return None
    status, summary = folder.read_status(), folder.read_summary()
    if status:
        _tell_commit(status)
    if status.get("state") != "finished" or not summary.keys() >= SHOWN:
        return None
    # Of one that is to be continued, last.pt knows it.
    check_sources(folder.path, status.get("sources"), source_digests(made_of(config)))
    log.info(f"{from_here(folder.path)}: finished already (existing=restart trains it again)")
    return folder.read_summary() if add_metrics(config, status.get("metrics"), folder, device) else summary


def _train(
    config: dict[str, Any], device: torch.device, folder: RunFolder, stop: Interruption, world: World
) -> tuple[dict[str, Any], dict[str, str]]:
    """Train the run and return its summary, and where the tracker's copy is."""
    tracker = Tracker()
    try:
        sources = source_digests(made_of(config))
        folder.write_status(
            "running", **describe_machine(describe_device(device), torch.get_num_threads()), sources=sources
        )
        folder.write_config(config)
        together = f", {world.size} processes" if world.size > 1 else ""
        place = f"{config['model']['name']} on {describe_device(device)}, {config['train']['precision']}{together}"
        log.info(f"{from_here(folder.path)}: {place}")
        tracker = begin(config, folder.path)
        after_epoch, announced = lambda: None, False
        if sweep := Schedule.current:
            after_epoch, announced = sweep.after_epoch, sweep.told
        dataset = open_dataset(config["data"])
        summary = train(config, dataset, folder, device, tracker, stop.poll, world, after_epoch, announced)
    except BaseException as error:
        error = _out_of_memory(error, config) or lost_process(error, world) or error
        interrupted = isinstance(error, KeyboardInterrupt)
        # A full disk, which may be what ended the run, must not hide the reason.
        with suppress(RunError):
            if interrupted:
                folder.write_status("interrupted", error, f"interrupted {error}".strip())
            else:
                folder.write_status("failed", error, one_line(error))
        tracker.finish({}, failed=True)
        raise error
    tracker.finish(summary)
    folder.write_status("finished", metrics=metric_records(config["metric"]))
    return summary, tracker.where()


def _out_of_memory(error: BaseException, config: dict[str, Any]) -> RunError | None:
    on_host = isinstance(error, MemoryError) or any(
        text in str(error) for text in ("can't allocate memory", "out of memory")
    )
    if not on_host and not isinstance(error, torch.OutOfMemoryError):
        return None
    batch_size = config["train"]["batch_size"]
    fewer = max(1, batch_size // 2)
    return RunError(
        f"out of memory with train.batch_size={batch_size} at data.size={config['data']['size']}; "
        f"try train.batch_size={fewer} or a smaller data.size"
    )


def _tell_commit(status: dict[str, Any]) -> None:
    then, now = status.get("git"), git_commit()
    then = then.get("commit") if isinstance(then, dict) else None
    if then and now and then != now["commit"]:
        log.warning(f"this run was begun with commit {str(then)[:10]}, the code is now at {now['commit'][:10]}")
