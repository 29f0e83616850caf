"""What a command asks to export: weights, what is known of them, and the data to compare on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pets_seg.command.leakage import data_of, other_data
from pets_seg.config.sources import check_sources, source_digests
from pets_seg.config.weights import SHIPPED, Weights, find_weights, run_of, sha256
from pets_seg.data import open_dataset
from pets_seg.data.cache import Dataset
from pets_seg.errors import InputError, printable, reason
from pets_seg.evaluation.mask_contents import check_masks
from pets_seg.models import on_meta
from pets_seg.models.checkpoint import read_about
from pets_seg.run_folder.folder import RunFolder
from pets_seg.run_folder.reading import read_json

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
# In bytes: a file of protobuf, which one of ONNX is, has less than 2 GiB; 7 MB of them are left to what are no weights.
MOST_WEIGHTS = 2_140_000_000


@dataclass(frozen=True)
class Request:
    """What is exported: the weights, their run if they are of one, what they say, and the data to compare on.

    `own` says whether the data are the run's.
    """

    weights: Weights
    run: RunFolder | None
    about: Mapping[str, Any]
    data: Mapping[str, Any]
    own: bool
    int8: bool

    @property
    def name(self) -> str:
        """That of the run, or of the file of weights if they are of none."""
        return self.run.path.name if self.run else self.weights.path.stem


def check_packages(task: str) -> None:
    """Raise InputError if a package that exporting takes cannot be imported."""
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            why = "is not there" if getattr(error, "name", None) == name else f"cannot be imported ({reason(error)})"
            raise InputError(f"task={task}: {name} {why}; pip install 'pets_seg[export]'") from error


def request_of(config: Mapping[str, Any], keys: set[str]) -> Request:
    """Return what a checked configuration asks to export; `keys` are those that the command gives."""
    path = find_weights(config["checkpoint"])
    about = read_about(path)
    # Before a file of gigabytes is read.
    _check_size(path, about["model"])
    weights, folder = Weights(path, sha256(path)), run_of(path)
    int8 = config["export"]["int8"]
    if folder:
        run = RunFolder(folder)
        return Request(weights, run, about, data_of(config, run, about, keys), not other_data(keys), int8)
    if path != SHIPPED and "data" not in keys:
        raise InputError(
            f"checkpoint={printable(path)}: is of no run, which would name its data; give data=..., e.g. data=sample"
        )
    data = {**config["data"], **{key: about[key] for key in ("size", "boundary", "normalisation")}}
    if about.get("range") and "range" in data and "data.range" not in keys:
        data["range"] = about["range"]
    return Request(weights, None, about, data, False, int8)


def _check_size(path: Path, model: Mapping[str, Any]) -> None:
    """Raise InputError if the network of `model` settings has more weights than a file of ONNX can hold."""
    network = on_meta(model)
    size = sum(part.numel() * part.element_size() for part in (*network.parameters(), *network.buffers()))
    if size > MOST_WEIGHTS:
        raise InputError(
            f"checkpoint={printable(path)}: its network has {size / 1e9:.2f} GB of weights; an ONNX file holds at most "
            f"{MOST_WEIGHTS / 1e9:.2f} GB; give the checkpoint of a smaller network, or use this one with task=predict"
        )


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
    dataset = open_dataset(request.data, needed=("train",) if request.int8 else (), warn=False)
    check_masks(dataset, request.data, [compared_split(dataset, task)])


def record_of(request: Request) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the status and the figures of the run that trained the network, empty if they are not known."""
    if request.run:
        return request.run.read_status(), request.run.read_summary()
    if request.weights.path == SHIPPED:
        record = read_json(SHIPPED.with_suffix(".json"))
        return record["status"], record["summary"]
    return {}, {}


def compared_split(dataset: Dataset, task: str) -> str:
    """Return the split that the exported network is compared on: test, else valid; InputError if both are empty."""
    for split in ("test", "valid"):
        if len(dataset.index.stems(split)):
            return split
    raise InputError(f"task={task}: the data have no test or validation image to compare on; give others by data=...")
