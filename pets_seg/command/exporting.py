"""A checkpoint's network as an ONNX graph, once it was held against PyTorch: for all tasks that export one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pets_seg.command.leakage import data_of
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.config.weights import find_weights, run_of, sha256
from pets_seg.data import open_dataset
from pets_seg.data.cache import Dataset
from pets_seg.errors import InputError, RunError
from pets_seg.models.checkpoint import load_network, read_about
from pets_seg.run_folder.folder import RunFolder

if TYPE_CHECKING:
    from onnx import ModelProto

    from pets_seg.evaluation.predictor import Predictor
    from pets_seg.export.agreement import Agreement

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# What an exported network may differ by: in a probability, and in points of Dice.
MOST, MOST_POINTS = 1e-3, 0.1
# In a probability of a photograph that it resizes itself: ONNX Runtime rounds a few values to the next grey level.
MOST_RESIZED = 2e-2
# Points of Dice that int8 may cost.
MOST_LOST = 1.0


@dataclass(frozen=True)
class Request:
    """What is exported: the weights, their run if they are of one, what they say, and the data to compare on."""

    weights: Path
    run: RunFolder | None
    about: Mapping[str, Any]
    data: Mapping[str, Any]
    int8: bool

    @property
    def name(self) -> str:
        """That of the run, or of the file of weights if they are of none."""
        return self.run.path.name if self.run else self.weights.stem


@dataclass(frozen=True)
class Exported:
    """The bytes of an ONNX file, and its Dice on the `images` of the split that it was compared on."""

    content: bytes
    dice: float
    images: int
    split: str


def check_packages(task: str) -> None:
    """Raise InputError if a package that exporting takes is not installed."""
    for name in PACKAGES:
        if not find_spec(name):
            raise InputError(f"task={task}: {name} is not there; pip install 'pets_seg[export]'")


def request_of(config: Mapping[str, Any], keys: set[str]) -> Request:
    """Return what a checked configuration asks to export; `keys` are those that the command gives."""
    weights = find_weights(config["checkpoint"])
    folder, about = run_of(weights), read_about(weights)
    run = RunFolder(folder) if folder else None
    taken = {key: about[key] for key in ("size", "boundary", "normalisation")}
    data = data_of(config, run, about, keys) if run else {**config["data"], **taken}
    return Request(weights, run, about, data, config["export"]["int8"])


def check_model(given: Mapping[str, Any], requests: Sequence[Request]) -> None:
    """Raise InputError if the `model` that a command gives is none of the networks to be exported."""
    names = [request.about["model"]["name"] for request in requests]
    if not any(given["_target_"] == request.about["model"]["_target_"] for request in requests):
        raise InputError(f"model={given['name']}: the network is {' or '.join(names)}; leave model out")


def check_request(request: Request, keys: set[str], task: str) -> None:
    """Raise InputError if the code that the network was made of has changed, or the images are not there."""
    if request.run:
        made_of = [request.about["model"], {} if "data" in keys else request.data]
        check_sources(request.run.path, request.run.read_status().get("sources"), source_digests(made_of))
    _compared(open_dataset(request.data, needed=("train",) if request.int8 else (), warn=False), task)


def exported(request: Request, output: Path, task: str) -> Exported:
    """Return the network as an ONNX file, and print how it compares with PyTorch.

    Raises RunError if it differs too much, which says that `output` was not written.
    """
    from pets_seg.evaluation.predictor import Predictor
    from pets_seg.export.agreement import PHOTOS, Session, compare
    from pets_seg.export.graph import export_graph
    from pets_seg.export.metadata import describe

    about, cpu = request.about, torch.device("cpu")
    dataset = open_dataset(request.data, needed=())
    split = _compared(dataset, task)
    predictor = Predictor(request.weights, cpu, precision="fp32")
    graph, nodes = export_graph(load_network(request.weights, cpu).eval(), about["size"], about["normalisation"])
    image_of = {pair.stem: pair.image for pair in dataset.index.source.splits[split]}
    files = [image_of[stem] for stem in getattr(dataset, split).stems[:PHOTOS]]
    session = Session(graph, torch.get_num_threads())
    found = compare(session, predictor, getattr(dataset, split), about["boundary"], files)
    print(
        f"beside PyTorch, on {found.images} {split} images ({found.photos} also at their own size): probabilities "
        f"differ by at most {found.largest:.1e} ({found.resized:.1e} at their own size, where resizing rounds), Dice "
        f"by {abs(found.points):.3f} points"
    )
    if not (found.largest <= MOST and found.resized <= MOST_RESIZED and abs(found.points) <= MOST_POINTS):
        raise RunError(
            f"{output}: not written, since the file would not give what PyTorch gives; at most {MOST:g} "
            f"({MOST_RESIZED:g}) and {MOST_POINTS:g} points are allowed; try other versions of onnxscript and PyTorch"
        )
    if request.int8:
        graph, found = _in_int8(graph, nodes, found, predictor, dataset, split, about["boundary"])
    status, summary = (request.run.read_status(), request.run.read_summary()) if request.run else ({}, {})
    describe(graph, about, sha256(request.weights), request.data, dataset.index, status, summary, found)
    return Exported(graph.SerializeToString(), found.exported_dice, found.images, split)


def _in_int8(
    graph: "ModelProto",
    nodes: Collection[str],
    found: "Agreement",
    predictor: "Predictor",
    dataset: Dataset,
    compared_on: str,
    boundary: str,
) -> tuple["ModelProto", "Agreement"]:
    """Return a graph in int8 and how it compares; print both in a table. RunError if int8 costs too much Dice."""
    from pets_seg.export.agreement import Session, compare, milliseconds
    from pets_seg.export.int8 import quantised

    split = getattr(dataset, compared_on)
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


def _compared(dataset: Dataset, task: str) -> str:
    """Return the split that the exported network is compared on: test, else valid; InputError if both are empty."""
    for split in ("test", "valid"):
        if len(dataset.index.stems(split)):
            return split
    raise InputError(f"task={task}: the data have no test or validation image to compare on; give others by data=...")
