"""What an exported file says of itself."""

import json
from collections.abc import Mapping
from typing import Any

import onnx

from pets_seg.data import Index
from pets_seg.export.agreement import Agreement
from pets_seg.run_folder.folder import git_commit

# Of summary.json.
FIGURES = ("best_val_dice", "test_dice", "test_iou", "test_loss", "parameters", "macs")


def describe(
    graph: onnx.ModelProto,
    about: Mapping[str, Any],
    weights_sha256: str,
    data: Mapping[str, Any],
    index: Index,
    status: Mapping[str, Any],
    summary: Mapping[str, Any],
    found: Agreement,
) -> None:
    """Write metadata into a graph: network, licences, training data, commit, figures, and how it was compared.

    `status` and `summary` are those of the run that trained the network, empty if it is unknown. `data` are the
    settings of the data that it was compared on, and `index` those data.
    """
    trained = status.get("data")
    is_same = isinstance(trained, Mapping) and trained.get("digest") == index.digest
    texts = {
        "network": json.dumps(about["model"]),
        "size": str(about["size"]),
        "input": "photo: photographs (batch, height, width, 3), uint8, RGB, upright, of any size",
        "output": "probability: of pet, (batch, height, width), float32; above 0.5 is pet",
        "licence of the code": "MIT",
        "training data": json.dumps({"name": data["name"] if is_same else None, **trained}) if trained else "unknown",
        "licence of the training data": (index.source.licence or "not stated") if is_same else "unknown",
        "commit": json.dumps(status.get("git") or git_commit()),
        "figures of the run": json.dumps({key: summary[key] for key in FIGURES if key in summary}),
        "compared with PyTorch": json.dumps(
            {"images": found.images, "largest difference": found.largest, "dice": found.exported_dice}
        ),
        "sha256 of the weights": weights_sha256,
    }
    onnx.helper.set_model_props(graph, texts)
    graph.producer_name = "pets_seg"
    graph.doc_string = "Segments photographs of pets: photo in, probability of pet out."
