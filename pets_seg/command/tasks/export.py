"""task=export: write the network of a checkpoint into one file, once it was held against PyTorch."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pets_seg.command.arguments import key_of
from pets_seg.command.leakage import data_of
from pets_seg.config.checks import check
from pets_seg.config.parts import allow
from pets_seg.config.plain import plain
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.config.weights import find_weights, run_of, sha256
from pets_seg.data import open_dataset
from pets_seg.data.cache import Dataset
from pets_seg.errors import InputError, RunError, printable
from pets_seg.machine.files import absolute, write_whole
from pets_seg.machine.terminal import from_here
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.run_folder.folder import RunFolder

if TYPE_CHECKING:
    from onnx import ModelProto

    from pets_seg.evaluation.predictor import Predictor
    from pets_seg.export.agreement import Agreement

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# What an exported network may differ by: in a probability, and in points of Dice.
MOST, MOST_POINTS = 1e-3, 0.1
# Points of Dice that int8 may cost.
MOST_LOST = 1.0


@dataclass(frozen=True)
class Request:
    """What is exported and where to: the weights, their run if they are of one, what they say, and the data."""

    weights: Path
    run: RunFolder | None
    about: Mapping[str, Any]
    data: Mapping[str, Any]
    output: Path
    int8: bool
    overwrite: bool


def prepare(cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError for a bad checkpoint, images that are not there, and a file that is there already."""
    for name in PACKAGES:
        if not find_spec(name):
            raise InputError(f"task=export: {name} is not there; pip install 'pets_seg[export]'")
    keys = {*map(key_of, overrides)}
    request = _read(cfg, keys)
    given = plain(cfg)["model"]
    if "model" in keys and given["_target_"] != request.about["model"]["_target_"]:
        raise InputError(f"model={given['name']}: the network is {request.about['model']['name']}; leave model out")
    if request.run:
        made_of = [request.about["model"], {} if "data" in keys else request.data]
        check_sources(request.run.path, request.run.read_status().get("sources"), source_digests(made_of))
    _compared(open_dataset(request.data, needed=("train",) if request.int8 else (), warn=False))


def run(cfg: DictConfig) -> float:
    """Write the file, print how it compares with PyTorch, and return its Dice."""
    from pets_seg.evaluation.predictor import Predictor
    from pets_seg.export.agreement import PHOTOS, Session, compare
    from pets_seg.export.graph import export_graph
    from pets_seg.export.metadata import describe

    request = _read(cfg, {*map(key_of, plain(HydraConfig.get().overrides.task, resolve=False))})
    about, cpu = request.about, torch.device("cpu")
    dataset = open_dataset(request.data, needed=())
    split = _compared(dataset)
    predictor = Predictor(request.weights, cpu, precision="fp32")
    graph, nodes = export_graph(load_network(request.weights, cpu).eval(), about["size"], about["normalisation"])
    image_of = {pair.stem: pair.image for pair in dataset.index.source.splits[split]}
    files = [image_of[stem] for stem in getattr(dataset, split).stems[:PHOTOS]]
    session = Session(graph, torch.get_num_threads())
    found = compare(session, predictor, getattr(dataset, split), about["boundary"], files)
    print(
        f"beside PyTorch, on {found.images} {split} images ({found.photos} also at their own size): probabilities "
        f"differ by at most {found.largest:.1e}, Dice by {abs(found.points):.3f} points"
    )
    if not (found.largest <= MOST and abs(found.points) <= MOST_POINTS):
        raise RunError(
            f"{request.output}: not written, since the file would not give what PyTorch gives; at most {MOST:g} and "
            f"{MOST_POINTS:g} points are allowed; try other versions of onnxscript and PyTorch"
        )
    if request.int8:
        graph, found = _in_int8(graph, nodes, found, predictor, dataset, about["boundary"])
    status, summary = (request.run.read_status(), request.run.read_summary()) if request.run else ({}, {})
    describe(graph, about, sha256(request.weights), request.data, dataset.index, status, summary, found)
    _check_free(request)
    content = graph.SerializeToString()
    write_whole(request.output, lambda file: file.write(content))
    print(f"written to {from_here(request.output)} ({len(content) / 1e6:.1f} MB)")
    return found.exported_dice


def _in_int8(
    graph: "ModelProto",
    nodes: Collection[str],
    found: "Agreement",
    predictor: "Predictor",
    dataset: Dataset,
    boundary: str,
) -> tuple["ModelProto", "Agreement"]:
    """Return a graph in int8 and how it compares; print both in a table. RunError if int8 costs too much Dice."""
    from pets_seg.export.agreement import Session, compare, milliseconds
    from pets_seg.export.int8 import quantised

    split = getattr(dataset, _compared(dataset))
    small = quantised(graph, nodes, dataset.train)
    compared = compare(Session(small, torch.get_num_threads()), predictor, split, boundary, [])
    print(f"{'':6}{'Dice':>8}{'MB':>8}{'ms an image, one thread':>26}")
    for name, form, dice in (("fp32", graph, found.exported_dice), ("int8", small, compared.exported_dice)):
        print(f"{name:6}{dice:8.4f}{form.ByteSize() / 1e6:8.2f}{milliseconds(Session(form, 1), split):26.2f}")
    if not found.exported_dice - compared.exported_dice <= MOST_LOST / 100:
        raise RunError(
            f"export.int8=true: costs {100 * (found.exported_dice - compared.exported_dice):.2f} points of Dice, more "
            f"than {MOST_LOST:g}; nothing was written; export.int8=false writes the network as it is"
        )
    return small, compared


def _read(cfg: DictConfig, keys: set[str]) -> Request:
    """Return what is to be exported; `keys` are those that the command gives."""
    config = check(cfg, named=("model",) if "data" in keys else ("model", "data"))
    allow(config)
    if not config["checkpoint"]:
        raise InputError("checkpoint: is needed with task=export; give one, e.g. checkpoint=runs/default/RUN")
    weights = find_weights(config["checkpoint"])
    folder, about = run_of(weights), read_about(weights)
    run = RunFolder(folder) if folder else None
    taken = {key: about[key] for key in ("size", "boundary", "normalisation")}
    data = data_of(config, run, about, keys) if run else {**config["data"], **taken}
    name = (folder.name if folder else weights.stem) + ("_int8" if config["export"]["int8"] else "")
    output = absolute(config["output"] or f"{name}.{config['format']}")
    request = Request(weights, run, about, data, output, config["export"]["int8"], config["overwrite"])
    _check_free(request)
    return request


def _check_free(request: Request) -> None:
    """Raise InputError if the file cannot be written or is there already."""
    output = request.output
    if output.suffix != ".onnx" or output.is_dir():
        raise InputError(f"output={printable(output)}: must be a file whose name ends in .onnx")
    if not output.parent.is_dir():
        raise InputError(f"output={printable(output)}: its folder is not there; make it, or give another one")
    if os.path.lexists(output) and not request.overwrite:
        raise InputError(f"output={printable(output)}: is there already; overwrite=true replaces it")


def _compared(dataset: Dataset) -> str:
    """Return the split that the exported network is compared on: test, else valid; InputError if both are empty."""
    for split in ("test", "valid"):
        if len(dataset.index.stems(split)):
            return split
    raise InputError("task=export: the data have no test or validation image to compare on; give others by data=...")
