"""Train one run into its folder, which one process at a time has and of several only rank 0 writes."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pets_seg.command.after_run import show_result
from pets_seg.command.finished import is_damaged, other_commit, tell_of_finished
from pets_seg.command.leakage import check_start
from pets_seg.command.messages import exit_code, one_line
from pets_seg.command.repetition import earlier_threads
from pets_seg.command.same_data import check_recorded
from pets_seg.command.schedule import Schedule, tell_of_epoch
from pets_seg.command.shorter import tell_of_shorter
from pets_seg.config.identity import made_of
from pets_seg.config.sources import check_sources, source_digests, source_files
from pets_seg.data import SPLITS, open_dataset
from pets_seg.errors import InputError, RunError
from pets_seg.evaluation.mask_contents import check_masks
from pets_seg.evaluation.metrics import metric_records
from pets_seg.machine.device import describe_device
from pets_seg.machine.terminal import from_here
from pets_seg.machine.world import World
from pets_seg.run_folder.folder import RunFolder, describe_machine, git_commit
from pets_seg.run_folder.lock import locked
from pets_seg.run_folder.paths import recorded
from pets_seg.tracking.tracker import Tracker, begin, finished_already
from pets_seg.training.distributed import lost_rank, process_group
from pets_seg.training.interruption import Interruption
from pets_seg.training.loop import train
from pets_seg.training.memory import out_of_memory
from pets_seg.training.rescore import add_metrics

# The summary of a run, and where the tracker's copy is.
Result = tuple[dict[str, Any], dict[str, str]]
log = logging.getLogger("pets_seg")


def train_run(
    config: dict[str, Any],
    device: torch.device,
    path: Path,
    end: Callable[[dict[str, str]], None],
    before: Callable[[], None] = lambda: None,
    sweep: Path | None = None,
) -> float:
    """Train a run into the folder `path`, unless it is finished there; return its best validation Dice.

    `before` is called if there is something to train. `end` is called once its figures are shown, before another
    process may have the folder, with where the tracker's copy is. `sweep` is the folder of the sweep of which it is a
    job; a run by itself renews no page of a sweep.
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
                if finished is None:
                    before()
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
