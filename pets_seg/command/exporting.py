"""A checkpoint's network as an ONNX graph, once it was held against PyTorch: for all tasks that export one."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pets_seg.command.export_request import Request, compared_split, record_of
from pets_seg.command.leakage import changed_data
from pets_seg.data import open_dataset
from pets_seg.data.cache import Dataset
from pets_seg.data.levels import BadFileError
from pets_seg.data.photo import read_photo
from pets_seg.errors import RunError, printable
from pets_seg.models.checkpoint import check_unchanged
from pets_seg.run_folder.recorded_data import trained_images

if TYPE_CHECKING:
    from onnx import ModelProto
    from PIL.Image import Image

    from pets_seg.evaluation.predictor import Predictor
    from pets_seg.export.agreement import Agreement

log = logging.getLogger("pets_seg")
# What an exported network may differ by: in a probability, and in points of Dice.
MOST, MOST_POINTS = 1e-3, 0.1
# In a probability of a photograph that it resizes itself: ONNX Runtime rounds a few values to the next grey level.
MOST_RESIZED = 2e-2
# Points of Dice that int8 may cost.
MOST_LOST = 1.0


@dataclass(frozen=True)
class Exported:
    """The bytes of an ONNX file, and its Dice on the `images` of the split that it was compared on."""

    content: bytes
    dice: float
    images: int
    split: str


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
    split = compared_split(dataset, task)
    status, summary = record_of(request)
    trained = _trained(request, dataset, split)
    notes = [
        *_notes(request, dataset, status),
        *([f"the run was trained on {trained} of these images"] if trained else []),
    ]
    predictor = Predictor(request.weights.path, cpu, precision="fp32")
    graph, nodes = export_graph(predictor.network, about["size"], about["normalisation"])
    image_of = {pair.stem: pair.image for pair in dataset.index.source.splits[split]}
    photos = _read_photos([image_of[stem] for stem in getattr(dataset, split).stems[:PHOTOS]], request.data)
    session = Session(graph, torch.get_num_threads())
    found = compare(session, predictor, getattr(dataset, split), about["boundary"], photos)
    print(
        f"beside PyTorch, on {found.images} {split} images of data={request.data['name']}, {found.photos} of them also "
        f"at their own size: probabilities differ by at most {found.largest:.1e} ({found.resized:.1e} at their own "
        f"size, where resizing rounds), Dice by {abs(found.points):.3f} points"
    )
    if not (found.largest <= MOST and found.resized <= MOST_RESIZED and abs(found.points) <= MOST_POINTS):
        raise RunError(
            f"{output}: not written, since the file would not give what PyTorch gives; at most {MOST:g} "
            f"({MOST_RESIZED:g}) and {MOST_POINTS:g} points are allowed; try other versions of onnxscript and PyTorch"
        )
    compared = {"data": request.data["name"], "digest": dataset.index.digest, "split": split, "trained_on": trained}
    compared |= asdict(found)
    if request.int8:
        graph, found = _in_int8(graph, nodes, found, predictor, dataset, split, about["boundary"])
        compared["int8_dice"] = found.exported_dice
    describe(graph, about, request.weights.digest, dataset.index, status, summary, compared)
    check_unchanged(request.weights)
    for note in notes:
        log.warning(note)
    return Exported(graph.SerializeToString(), found.exported_dice, found.images, split)


def _trained(request: Request, dataset: Dataset, split: str) -> int | None:
    """Return how many images of a split the run was trained on; None if it is of no run, or did not record them."""
    images, complete = trained_images(request.run.path if request.run else None)
    count = len(dataset.index.with_image_in(split, images))
    return count if count or complete else None


def _notes(request: Request, dataset: Dataset, status: Mapping[str, Any]) -> list[str]:
    """Return what has to be said of a run that is not finished, and of data that are not as in training."""
    if request.run is None:
        return []
    state, recorded = status.get("state"), status.get("data")
    notes = [] if state == "finished" else [f"the run is not finished (its state is {printable(state)})"]
    recorded = recorded if isinstance(recorded, Mapping) else {}
    return notes + changed_data(request.run, dataset.index, recorded, request.about["boundary"], request.own)


def _read_photos(files: Sequence[Path], data: Mapping[str, Any]) -> list["Image"]:
    """Return the photographs in files, without those that are no use at their own size."""
    photos = []
    for file in files:
        with suppress(BadFileError):
            photos.append(read_photo(file, data.get("range")))
    return photos


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
    rows = (("fp32", graph, found.exported_dice), ("int8", small, compared.exported_dice))
    times = milliseconds([Session(form, 1) for _, form, _ in rows], split)
    for (name, form, dice), time in zip(rows, times, strict=True):
        print(f"{name:6}{dice:8.4f}{form.ByteSize() / 1e6:8.2f}{time:26.2f}")
    if not found.exported_dice - compared.exported_dice <= MOST_LOST / 100:
        raise RunError(
            f"export.int8=true: costs {100 * (found.exported_dice - compared.exported_dice):.2f} points of Dice, more "
            f"than {MOST_LOST:g}; nothing was written; export.int8=false writes the network as it is"
        )
    return small, compared
