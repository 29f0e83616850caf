"""The line of a run that has more epochs than a finished one of the same settings."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pets_seg.command.schedule import Schedule
from pets_seg.config.weights import DIGEST
from pets_seg.machine.terminal import from_here
from pets_seg.run_folder.paths import recorded
from pets_seg.run_folder.shorter import find_shorter

log = logging.getLogger("pets_seg")


def tell_of_shorter(folder: Path, config: Mapping[str, Any]) -> None:
    """Say that a finished run of the same settings with fewer epochs is not continued by this one, and how it can be.

    Who raises `train.epochs` may expect that training goes on.
    """
    if not (shorter := find_shorter(folder, recorded(config))):
        return
    run, epochs = shorter
    # Who sweeps over epochs wants each run for itself.
    if Schedule.current and run.name in {job.folder.name for job in Schedule.current.work}:
        return
    pretrained = config["model"].get("pretrained")
    start = "the same weights" if config.get(DIGEST) else "ImageNet weights" if pretrained else "random weights"
    log.info(
        f"{from_here(run)} is finished with train.epochs={epochs}; this is another run, which starts from {start} "
        f"again: checkpoint={from_here(run)} starts from the best weights of that one"
    )
