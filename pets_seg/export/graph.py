"""The ONNX graph of a network: photographs of any size in, probabilities of pet out."""

import logging
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from torch import nn

from pets_seg.data import Normalise
from pets_seg.errors import RunError, reason

# What its input and its output are called.
PHOTO, PROBABILITY = "photo", "probability"
# The first version in which Resize has antialiasing.
OPSET = 18


class PhotoNetwork(nn.Module):
    """Photographs (B,H,W,3) uint8 to probabilities of pet (B,H,W) float32, as `evaluation.predictor` computes them."""

    def __init__(self, network: nn.Module, size: int, normalisation: str) -> None:
        super().__init__()
        self.network, self.size = network, size
        self._normalise = Normalise(normalisation, torch.device("cpu"))

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        # As uint8: so ONNX Runtime resizes as Pillow does, which rounds.
        square = _resized(photo.permute(0, 3, 1, 2), (self.size, self.size))
        image = square.float() / 255
        normalise = self._normalise
        image = image * 255 if normalise.raw else image * normalise.factor + normalise.shift
        logits = self.network(image)
        probability = (logits[:, 1:] - logits[:, :1]).sigmoid()
        return _resized(probability, photo.shape[1:3])[:, 0].clamp(0, 1)


def _resized(image: torch.Tensor, size: Any) -> torch.Tensor:
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def export_graph(network: nn.Module, size: int, normalisation: str) -> tuple[onnx.ModelProto, Collection[str]]:
    """Return the graph of a network in evaluation mode, on the CPU, and the names of the nodes that are the network's.

    The others resize and normalise. Batch, height and width may be any. Raises RunError if PyTorch cannot export it.
    """
    whole = PhotoNetwork(network, size, normalisation).eval()
    example = torch.zeros(2, size + 3, size + 5, 3, dtype=torch.uint8)
    shapes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("height"), 2: torch.export.Dim("width")}
    try:
        with _quiet():
            program = torch.onnx.export(
                whole,
                (example,),
                dynamo=True,
                dynamic_shapes=(shapes,),
                input_names=[PHOTO],
                output_names=[PROBABILITY],
                opset_version=OPSET,
                verbose=False,
            )
            assert program is not None
            graph = program.model_proto
    # The exporter has errors of many types.
    except Exception as error:
        raise RunError(f"{type(network).__name__} cannot be exported to ONNX ({reason(error)})") from error
    return graph, [*_forget_origin(graph.graph)]


def _forget_origin(graph: onnx.GraphProto) -> Iterator[str]:
    """Remove what PyTorch notes of nodes, paths of this machine among it; yield the names of the network's nodes."""
    for node in graph.node:
        origin = {item.key: item.value for item in node.metadata_props}
        if "/network: " in origin.get("namespace", ""):
            yield node.name
        del node.metadata_props[:]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del value.metadata_props[:]
    del graph.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what exporting prints and warns of: it is about PyTorch's own code."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
