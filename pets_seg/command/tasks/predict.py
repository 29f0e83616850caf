"""task=predict: segment photographs with the network of a checkpoint."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.output_folder import check_output, held, refuse_held, remove_left
from pets_seg.command.photos import Photo, find_photos
from pets_seg.command.predictions_table import PredictionsTable
from pets_seg.command.segmenting import Work, batch_size, segment_all
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.weights import find_weights
from pets_seg.errors import InputError, RunError, printable
from pets_seg.evaluation.predictor import Predictor
from pets_seg.machine.device import resolve_device
from pets_seg.machine.files import WriteError, absolute
from pets_seg.machine.terminal import from_here
from pets_seg.machine.world import ALONE
from pets_seg.models.checkpoint import read_about
from pets_seg.training.interruption import Interruption
from pets_seg.training.memory import is_out_of_memory

STOPS = "the command stops after the photographs that it is at"
log = logging.getLogger("pets_seg")


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, a device that is not here, and files that cannot be found or written."""
    config, weights, output = _settings(cfg)
    about = read_about(weights)
    given = config["model"]
    if "model" in map(key_of, overrides) and given["_target_"] != about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network of the run is {about['model']['name']}; leave model out")
    resolve_device(config["train"]["device"])
    refuse_held(output)
    photos, _ = find_photos(config["input"], output)
    check_output(photos, output, config["overwrite"])


def run(cfg: DictConfig) -> float:
    """Write mask, cut-out and overlay of each photograph, and a table; return the number of photographs."""
    config, weights, output = _settings(cfg)
    interruption = Interruption(ALONE, STOPS)
    work = Work(output, lambda: bool(interruption.received))
    try:
        # Another command may have written there since `prepare`.
        with held(output), interruption:
            photos, left_out = find_photos(config["input"], output)
            check_output(photos, output, config["overwrite"])
            remove_left(photos, output)
            if left_out:
                log.warning(left_out)
            work.total = len(photos)
            _segment(config, weights, photos, work)
            interruption.poll()
            return _tell(photos, work)
    except KeyboardInterrupt as error:
        # Any: only Interrupted declares it, and a second Ctrl-C raises Python's own.
        interrupted: Any = error
        interrupted.then = _go_on(work)
        raise
    except WriteError as error:
        raise RunError(f"{error.what}; {error.advice}; {_go_on(work)}") from error


def _settings(cfg: DictConfig) -> tuple[dict[str, Any], Path, Path]:
    """Return the configuration, the weights and the output folder."""
    config = check(cfg, named=("model",))
    allow(config)
    for key, example in {"input": "photos", "output": "masks"}.items():
        if not config[key]:
            raise InputError(f"{key}: is needed with task=predict; give one, e.g. {key}={example}")
    return config, find_weights(config["checkpoint"]), absolute(config["output"])


def _segment(config: Mapping[str, Any], weights: Path, photos: Sequence[Photo], work: Work) -> None:
    """Segment photographs, and write the table of those that were when this ends or is ended."""
    device = resolve_device(config["train"]["device"])
    size = read_about(weights)["size"]
    table = PredictionsTable(work.output)
    done = False
    try:
        predictor = Predictor(weights, device, config["predict"]["flip"])
        segment_all(predictor, photos, work)
        done = not work.stopped
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(_out_of_memory(device, size)) from error
    finally:
        # What ended this must not be hidden by a disk that is full.
        with suppress(*([] if done else [RunError])):
            rows = [work.rows[photo.path] for photo in photos if photo.path in work.rows]
            if rows or (config["overwrite"] and (done or work.failed)):
                table.write(rows)
            else:
                table.withdraw()


def _tell(photos: Sequence[Photo], work: Work) -> float:
    """Say what was done, and return the number of photographs; RunError if some could not be used."""
    for photo in photos:
        if photo.path in work.failed:
            log.warning(work.failed[photo.path])
    where = printable(from_here(work.output))
    print(f"{len(work.rows)} of {work.total} photographs in {work.seconds:.1f} s: {where}")
    if work.failed:
        others = f"; the others are in {where}" if work.rows else ""
        raise RunError(f"{len(work.failed)} of {work.total} photographs could not be used{others}")
    return float(len(work.rows))


def _go_on(work: Work) -> str:
    """Return how much is done of what a command was to do, and how it is done again."""
    again = "the same command with overwrite=true does all again" if work.rows else "give the same command again"
    return f"{len(work.rows)} of {work.total} photographs are done; {again}"


def _out_of_memory(device: torch.device, size: int) -> str:
    batches = f"batches of {batch_size(size)} photographs at {size} px"
    if device.type != "cpu":
        return f"out of memory on {device} with {batches}; end what else runs there, or give train.device=cpu"
    threads = torch.get_num_threads()
    if threads > 1:
        return (
            f"out of memory: each of {threads} threads computes {batches}; set OMP_NUM_THREADS={threads // 2} or less"
        )
    return f"out of memory with {batches}; free memory, or give a checkpoint that was trained at fewer pixels"
