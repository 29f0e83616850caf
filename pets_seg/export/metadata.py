"""What an exported file says of itself."""

import json
from collections.abc import Mapping
from typing import Any

import onnx

from pets_seg.data import Index
from pets_seg.run_folder.folder import git_commit

# Of summary.json.
FIGURES = ("best_val_dice", "test_dice", "test_iou", "test_loss", "parameters", "macs")


def describe(
    graph: onnx.ModelProto,
    about: Mapping[str, Any],
    weights_sha256: str,
    index: Index,
    status: Mapping[str, Any],
    summary: Mapping[str, Any],
    compared: Mapping[str, Any],
) -> None:
    """Write metadata into a graph: network, licences, training data, commits, figures, and how it was compared.

    `status` and `summary` are those of the run that trained the network, empty if it is unknown; what the status says
    of the data may have their `licence`. `index` are the data that it was `compared` on.
    """
    trained = status.get("data")
    trained = trained if isinstance(trained, Mapping) else {}
    is_same = trained.get("digest") == index.digest
    named = {"name": compared["data"]} if is_same else {}
    white = about.get("range")
    texts = {
        "network": json.dumps(about["model"]),
        "epoch": str(about["epoch"]),
        "size": str(about["size"]),
        "input": "photo: photographs (batch, height, width, 3), uint8, RGB, upright, of any size",
        "range of black and white": json.dumps(white) if white else "that of 8 bits",
        "output": "probability: of pet, (batch, height, width), float32; above 0.5 is pet",
        "licence of the code": "MIT",
        "training data": json.dumps(named | dict(trained)) if trained else "unknown",
        "licence of the training data": (index.source.licence or "not stated")
        if is_same
        else str(trained.get("licence", "unknown")),
        "state of the run": str(status.get("state", "unknown")),
        "trained with commit": json.dumps(status["git"]) if status.get("git") else "unknown",
        "exported with commit": json.dumps(git_commit()),
        "figures of the run": json.dumps({key: summary[key] for key in FIGURES if key in summary}),
        "compared with PyTorch": json.dumps(compared),
        "sha256 of the weights": weights_sha256,
    }
    onnx.helper.set_model_props(graph, texts)
    graph.producer_name = "pets_seg"
    graph.doc_string = "Segments photographs of pets: photo in, probability of pet out."
