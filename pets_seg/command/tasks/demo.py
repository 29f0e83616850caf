"""task=demo: build a page that runs a checkpoint's network in a browser, and serve it on this machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.export_request import Request, check_model, check_packages, check_request, request_of
from pets_seg.command.exporting import exported
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.plain import plain
from pets_seg.errors import InputError, printable
from pets_seg.machine.files import absolute
from pets_seg.machine.home import can_be_made
from pets_seg.machine.terminal import from_here

# In the current folder.
OUTPUT = "demo"


@dataclass(frozen=True)
class Wanted:
    """The folder of the page, and what is to be exported into it: one network or two, none if it is there already."""

    output: Path
    requests: Sequence[Request]


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, a folder that is in the way, and files of npm that cannot be had."""
    keys = {*map(key_of, overrides)}
    wanted = _read(cfg, keys)
    if not wanted.requests:
        return
    check_packages("demo")
    if "model" in keys:
        check_model(plain(cfg)["model"], wanted.requests)
    for request in wanted.requests:
        check_request(request, keys, "demo")
    from pets_seg.export.onnxruntime_web import runtime_files
    from pets_seg.export.page import check_room

    # They are in the cache from now on.
    runtime = runtime_files()
    check_room([request.weights.path for request in wanted.requests], wanted.requests[0].int8, runtime)


def run(cfg: DictConfig) -> float:
    """Build the folder, print what it holds, and serve it if wanted; return the number of networks in it."""
    from pets_seg.export.serve import serve

    mode = HydraConfig.get().mode
    wanted = _read(cfg, {*map(key_of, plain(HydraConfig.get().overrides.task, resolve=False))})
    if cfg.serve and mode == RunMode.MULTIRUN:
        raise InputError("serve=true: serves one page until it is interrupted, and is not for a sweep; leave out -m")
    if wanted.requests:
        _build(wanted, cfg.overwrite)
    if cfg.serve:
        serve(wanted.output)
    return float(len(wanted.requests))


def _build(wanted: Wanted, overwrite: bool) -> None:
    from pets_seg.export.onnxruntime_web import runtime_files
    from pets_seg.export.page import Model, page_files, write_folder

    models = []
    for request in wanted.requests:
        if len(wanted.requests) > 1:
            print(f"{request.name}:")
        made, about = exported(request, wanted.output, "demo"), request.about
        models.append(
            Model(
                name=request.name,
                network=about["model"]["name"],
                size=about["size"],
                int8=request.int8,
                weights_sha256=request.weights.digest,
                content=made.content,
                dice=made.dice,
                images=made.images,
                split=made.split,
            )
        )
    files = page_files(models, runtime_files())
    # Another command may have written there since it was looked at.
    _check_free(wanted.output, overwrite)
    write_folder(wanted.output, files)
    size = sum(map(len, files.values())) / 1e6
    print(f"written to {from_here(wanted.output)} ({size:.1f} MB); any server of static files can show it")


def _read(cfg: DictConfig, keys: set[str]) -> Wanted:
    """Return what is wanted; `keys` are those that the command gives."""
    config = check(cfg, named=("model",) if "data" in keys else ("model", "data"))
    allow(config)
    output = absolute(config["output"] or OUTPUT)
    is_served = config["serve"] and not config["overwrite"] and os.path.lexists(output)
    if is_served and not config["checkpoint"] and not config["demo"]["beside"]:
        _check_same(output, None)
        return Wanted(output, ())
    requests = [request_of(config, keys)]
    if config["demo"]["beside"]:
        requests.append(_beside(config, keys))
    if is_served:
        _check_same(output, requests)
        return Wanted(output, ())
    _check_free(output, config["overwrite"])
    return Wanted(output, requests)


def _beside(config: Mapping[str, Any], keys: set[str]) -> Request:
    try:
        return request_of({**config, "checkpoint": config["demo"]["beside"]}, keys)
    except InputError as error:
        # The line begins with the setting that it is about.
        raise InputError(str(error).replace("checkpoint=", "demo.beside=", 1)) from error


def _check_same(output: Path, requests: Sequence[Request] | None) -> None:
    """Raise InputError unless a folder, which is to be served as it is, is a page of ours and of these networks."""
    from pets_seg.export.page import identity, read_marker

    marker = read_marker(output)
    if marker is None:
        raise InputError(f"output={printable(output)}: is there already, and no page of task=demo; give another folder")
    if requests is None:
        return
    asked = identity([request.weights.digest for request in requests], requests[0].int8)
    if [{key: network.get(key) for key in asked[0]} for network in marker["networks"]] != asked:
        raise InputError(
            f"output={printable(output)}: is a page of other networks; overwrite=true replaces it, and without "
            "checkpoint it is served as it is"
        )


def _check_free(output: Path, overwrite: bool) -> None:
    """Raise InputError if the folder cannot be made, or is in the way and no page of ours that may be replaced."""
    from pets_seg.export.page import read_marker

    if not output.parent.is_dir():
        raise InputError(f"output={printable(output)}: its folder is not there; make it, or give another one")
    if not can_be_made(output.parent):
        raise InputError(f"output={printable(output)}: its folder cannot be written; make it writable, or give another")
    if not os.path.lexists(output):
        return
    if output.is_symlink() or read_marker(output) is None:
        raise InputError(f"output={printable(output)}: is there already, and no page of task=demo; give another folder")
    if not overwrite:
        raise InputError(f"output={printable(output)}: is there already; overwrite=true replaces it")
