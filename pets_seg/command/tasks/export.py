"""task=export: write the network of a checkpoint into one file, once it was held against PyTorch."""

import os
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.export_request import Request, check_model, check_packages, check_request, request_of
from pets_seg.command.exporting import exported
from pets_seg.command.output_folder import check_file
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, printable
from pets_seg.machine.files import absolute, write_whole
from pets_seg.machine.terminal import from_here


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, images that are not there, and a file that is there already."""
    check_packages("export")
    keys = {*map(key_of, overrides)}
    request, _ = _read(cfg, keys)
    if "model" in keys:
        check_model(plain(cfg)["model"], [request])
    check_request(request, keys, "export")


def run(cfg: DictConfig) -> float:
    """Write the file, print how it compares with PyTorch, and return its Dice."""
    request, output = _read(cfg, {*map(key_of, plain(HydraConfig.get().overrides.task, resolve=False))})
    made = exported(request, output, "export")
    _check_free(output, cfg.overwrite)
    write_whole(output, lambda file: file.write(made.content))
    print(f"written to {printable(from_here(output))} ({len(made.content) / 1e6:.1f} MB)")
    return made.dice


def _read(cfg: DictConfig, keys: set[str]) -> tuple[Request, Path]:
    """Return what is to be exported, and the file; `keys` are those that the command gives."""
    config = check(cfg, named=("model",) if "data" in keys else ("model", "data"))
    allow(config)
    request = request_of(config, keys)
    output = absolute(config["output"] or f"{request.name}{'_int8' * request.int8}.{config['format']}")
    _check_free(output, config["overwrite"])
    return request, output


def _check_free(output: Path, overwrite: bool) -> None:
    """Raise InputError if the file cannot be written or is there already."""
    if output.suffix != ".onnx" or output.is_dir():
        raise InputError(f"output={printable(output)}: must be a file whose name ends in .onnx")
    if not output.parent.is_dir():
        raise InputError(f"output={printable(output)}: its folder is not there; make it, or give another one")
    check_file(output)
    if os.path.lexists(output) and not overwrite:
        raise InputError(f"output={printable(output)}: is there already; overwrite=true replaces it")
