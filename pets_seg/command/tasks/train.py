"""task=train: make or continue a run folder."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.augment import check_operations
from pets_seg.command.after_run import show_files, show_next
from pets_seg.command.arguments import flags, typed
from pets_seg.command.jobs import chosen_later
from pets_seg.command.leakage import check_start
from pets_seg.command.one_run import train_run
from pets_seg.command.own_masks import tell_of_masks
from pets_seg.command.quicker import tell_of_bf16
from pets_seg.command.repetition import changed_data, threads_of_begun, use_threads_of
from pets_seg.command.replay import check_same_parts
from pets_seg.command.same_data import data_now
from pets_seg.config.checks import check
from pets_seg.config.identity import made_of
from pets_seg.config.parts import allow
from pets_seg.config.sources import source_digests
from pets_seg.config.weights import with_digest
from pets_seg.data import SPLITS, open_dataset
from pets_seg.data.decoded import look_at
from pets_seg.evaluation.mask_contents import check_masks
from pets_seg.evaluation.metrics import metric_records
from pets_seg.machine.device import resolved
from pets_seg.machine.world import this_world
from pets_seg.run_folder.lock import HeldError, wait_for
from pets_seg.tracking.tracker import check_tracker
from pets_seg.training.trial import try_parts

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
    before = tell_of_bf16 if cfg.train.precision == "auto" and device.type == "cpu" else lambda: None
    # A sweep ends with a page of all its runs.
    alone = hydra.mode == RunMode.RUN
    while True:
        try:
            with threads_of_begun(path, config["existing"]):
                end = partial(show_files, path) if alone else lambda where: None
                dice = train_run(config, device, path, end, before, sweep=None if alone else path.parent)
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
