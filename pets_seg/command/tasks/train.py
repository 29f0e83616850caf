"""task=train: make or continue a run folder."""

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.augment import check_operations
from pets_seg.command.after_run import show_files, show_next, show_result
from pets_seg.command.arguments import flags, typed
from pets_seg.command.finished import is_damaged, other_commit, tell_of_finished
from pets_seg.command.jobs import chosen_later
from pets_seg.command.leakage import check_start
from pets_seg.command.messages import exit_code, one_line
from pets_seg.command.own_masks import tell_of_masks
from pets_seg.command.quicker import tell_of_bf16
from pets_seg.command.repetition import changed_data, earlier_threads, threads_of_begun, use_threads_of
from pets_seg.command.replay import check_same_parts
from pets_seg.command.same_data import check_recorded, data_now
from pets_seg.command.schedule import Schedule, tell_of_epoch
from pets_seg.command.shorter import tell_of_shorter
from pets_seg.config.checks import check
from pets_seg.config.identity import made_of
from pets_seg.config.parts import allow
from pets_seg.config.sources import check_sources, source_digests, source_files
from pets_seg.config.weights import with_digest
from pets_seg.data import SPLITS, open_dataset
from pets_seg.data.decoded import look_at
from pets_seg.errors import InputError, RunError
from pets_seg.evaluation.mask_contents import check_masks
from pets_seg.evaluation.metrics import metric_records
from pets_seg.machine.device import describe_device, resolved
from pets_seg.machine.terminal import from_here
from pets_seg.machine.world import World, this_world
from pets_seg.run_folder.folder import RunFolder, describe_machine, git_commit
from pets_seg.run_folder.lock import HeldError, locked, wait_for
from pets_seg.run_folder.paths import recorded
from pets_seg.tracking.tracker import Tracker, begin, check_tracker, finished_already
from pets_seg.training.distributed import lost_rank, process_group
from pets_seg.training.interruption import Interruption
from pets_seg.training.loop import train
from pets_seg.training.memory import out_of_memory
from pets_seg.training.rescore import add_metrics
from pets_seg.training.trial import try_parts

# The summary of a run, and where the tracker's copy is.
Result = tuple[dict[str, Any], dict[str, str]]
log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for what can be known before the run folder is made; fetch and decode what is needed."""
    config = _settings(cfg)
    if this_world().first:
        check_tracker(config["tracker"], False)
    if config["replay"]:
        check_same_parts(cfg)
    check_operations(config["aug"]["operations"], config["data"]["size"])
    try_parts(config)
    # Read and cached now, so that a later change of the files does not matter.
    source_digests(made_of(config))
    metric_records(config["metric"])
    # In a dry run what the images hold is checked only if that is known already.
    if config["dry_run"] and not look_at(config["data"]).index:
        return
    dataset = open_dataset(config["data"], warn=False)
    dataset.index.refuse_unused_range()
    tell_of_masks(dataset.index, config["data"], overrides)
    check_masks(dataset, config["data"], SPLITS)
    check_start(config, dataset.index)


def run(cfg: DictConfig) -> float:
    """Train the run of this configuration, unless it is finished already; return its best validation Dice."""
    config, device = checked(cfg)
    hydra = HydraConfig.get()
    path = Path(hydra.runtime.output_dir)
    if config["replay"]:
        use_threads_of(config["replay"])
        if this_world().first and (change := changed_data(config, *data_now(config))):
            log.warning(change)
    if cfg.train.precision == "auto" and device.type == "cpu" and this_world().first:
        tell_of_bf16()
    # A sweep ends with a page of all its runs.
    alone = hydra.mode == RunMode.RUN
    while True:
        try:
            with threads_of_begun(path, config["existing"]):
                end = partial(show_files, path) if alone else lambda where: None
                dice = train_run(config, device, path, end, sweep=None if alone else path.parent)
            break
        except HeldError as error:
            # Such a sweeper chooses the next job by the figure of this one; others leave it for the end of the sweep.
            if alone or not chosen_later(hydra):
                raise
            log.info(f"{error.args[0]}; waiting for it")
            wait_for([path])
            # What another process has trained by now is not to be trained again.
            config["existing"] = "continue"
    if alone and this_world().first:
        # Of Hydra's own settings only these belong into the next command, which is a sweep.
        kept = [word for word in hydra.overrides.hydra if word.startswith(("hydra.searchpath=", "hydra.run."))]
        kept += [f"--config-dir={own}"] if (own := flags(typed).config_dir) else []
        show_next([*kept, *hydra.overrides.task], config["aug"]["name"], config["seed"])
    return dice


def checked(cfg: DictConfig) -> tuple[dict[str, Any], torch.device]:
    """Return a configuration as plain values, with its precision and its checkpoint resolved, and its device."""
    return resolved(_settings(cfg))


def _settings(cfg: DictConfig) -> dict[str, Any]:
    config = with_digest(check(cfg))
    # Also when the run starts: other launchers run jobs in processes that prepared nothing.
    allow(config)
    return config


def train_run(
    config: dict[str, Any],
    device: torch.device,
    path: Path,
    end: Callable[[dict[str, str]], None],
    sweep: Path | None = None,
) -> float:
    """Train a run into the folder `path`, unless it is finished there; return its best validation Dice.

    `end` is called once its figures are shown, before another process may have the folder, with where the tracker's
    copy is. `sweep` is the folder of the sweep of which it is a job; a run by itself renews no page of a sweep.
    """
    folder = RunFolder(path)
    with process_group(device) as world, Interruption(world) as interruption:
        if not world.first:
            return _train_on_other_rank(config, device, folder, interruption, world)
        told_others = False
        try:
            with locked(folder.path):
                folder.tidy()
                finished = _finished(config, device, folder)
                told_others = True
                world.broadcast(finished is None)
                summary, where = finished or _train(config, device, folder, interruption, world, sweep)
                show_result(summary)
                end(where)
                return summary["best_val_dice"]
        except BaseException as error:
            if not told_others:
                # They wait to hear whether there is something to train.
                with suppress(RuntimeError):
                    world.broadcast(False)
            raise lost_rank(error, world) or error from None


def _train_on_other_rank(
    config: dict[str, Any], device: torch.device, folder: RunFolder, interruption: Interruption, world: World
) -> float:
    """Train along with rank 0, which alone writes; return 0 if it says that there is nothing to train."""
    if not world.broadcast(None):
        return 0.0
    try:
        dataset = open_dataset(config["data"])
        return train(config, dataset, folder, device, None, interruption.poll, world)["best_val_dice"]
    except Exception as error:
        # Rank 0 reports what every rank raises, and that a rank is lost.
        if isinstance(error, RunError | InputError) or lost_rank(error, world):
            sys.exit(exit_code(error))
        raise _explained(error, config, world) from None


def _finished(config: dict[str, Any], device: torch.device, folder: RunFolder) -> Result | None:
    """Return the result of a run that is finished, with all metrics; None if there is something to train."""
    if config["existing"] == "restart":
        folder.clear()
        return None
    status, summary = folder.read_status(), folder.read_summary()
    if line := other_commit(status, git_commit):
        log.warning(line)
    if decoded := check_recorded(config, folder.path):
        log.info(decoded)
    if status.get("state") != "finished" or is_damaged(folder, status, summary, config["train"]["epochs"]):
        return None
    # For a run that is continued, last.pt has them.
    check_sources(folder.path, status.get("sources"), source_digests(made_of(config)))
    # The run may have been killed before it did so.
    if not config["train"]["keep_state"]:
        folder.last.unlink(missing_ok=True)
    tell_of_finished(folder.path)
    rescored = add_metrics(config, status.get("metrics"), folder, device)
    return (folder.read_summary() if rescored else summary), finished_already(config["tracker"], folder.path, rescored)


def _train(
    config: dict[str, Any],
    device: torch.device,
    folder: RunFolder,
    interruption: Interruption,
    world: World,
    sweep: Path | None,
) -> Result:
    tracker = Tracker()
    try:
        sources, name = source_digests(made_of(config)), describe_device(device)
        facts: dict[str, Any] = {"sources": sources, "source_files": source_files([made_of(config), config["metric"]])}
        if others := earlier_threads(folder):
            facts["earlier_threads"] = others
        folder.write_status("running", **describe_machine(name, torch.get_num_threads()), **facts)
        kept = recorded(config)
        folder.write_config(kept)
        processes = f", {world.size} processes" if world.size > 1 else ""
        settings = f"{config['model']['name']} on {name}, {config['train']['precision']}{processes}"
        log.info(f"{from_here(folder.path)}: {settings}")
        if not folder.last.exists():
            tell_of_shorter(folder.path, config)
            folder.clear_tensorboard()
        dataset = open_dataset(config["data"])
        for remark in [*check_start(config, dataset.index), *check_masks(dataset, config["data"], SPLITS)]:
            log.warning(remark)
        tracker, announced = begin(kept, folder.path), Schedule.current is not None and Schedule.current.announced
        after_epoch = partial(tell_of_epoch, epochs=config["train"]["epochs"], sweep=sweep)
        summary = train(
            config, dataset, folder, device, tracker, interruption.poll, world, after_epoch, announced=announced
        )
    except BaseException as error:
        error = _explained(error, config, world)
        # A full disk, which may be what ended the run, must not hide the reason.
        with suppress(RunError):
            if isinstance(error, KeyboardInterrupt):
                folder.write_status("interrupted", error, f"interrupted {error}".strip())
            else:
                folder.write_status("failed", error, one_line(error))
        tracker.finish({}, failed=True)
        raise error
    tracker.finish(summary)
    folder.write_status("finished", metrics=metric_records(config["metric"]))
    if not config["train"]["keep_state"]:
        folder.last.unlink(missing_ok=True)
    return summary, tracker.where()


def _explained(error: BaseException, config: dict[str, Any], world: World) -> BaseException:
    """Return a RunError that explains a lack of memory or a lost rank, otherwise `error` itself."""
    return out_of_memory(error, config) or lost_rank(error, world) or error
