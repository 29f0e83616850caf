"""An exported network in int8: weights and activations of 8 bits, whose ranges are calibrated on images."""

import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from pets_seg.data.cache import Split
from pets_seg.errors import RunError, reason
from pets_seg.export.agreement import squares_of
from pets_seg.export.graph import PHOTO

# Images for calibration, spread over the training images.
IMAGES = 128


class Images(CalibrationDataReader):
    """The images of a split as the quantiser asks for them, one by one."""

    def __init__(self, split: Split) -> None:
        self._squares = (squares[0] for _, squares in squares_of(split, 1))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next image, None after the last one."""
        square = next(self._squares, None)
        return None if square is None else {PHOTO: square[None]}


def quantised(graph: onnx.ModelProto, nodes: Collection[str], train: Split) -> onnx.ModelProto:
    """Return a graph in which the convolutions and other layers among `nodes` compute in int8.

    Static quantisation: weights with a scale a channel, activations with one a tensor, from training images. What
    resizes, normalises and makes probabilities stays as it is. Raises RunError if ONNX Runtime cannot do it.
    """
    # ONNX Runtime takes none to mean all.
    if not nodes:
        raise RunError(
            "export.int8=true: this version of PyTorch does not tell which nodes are the network's; update it"
        )
    every = max(1, len(train) // IMAGES)
    calibration = Split(
        train.stems[::every][:IMAGES], train.rows[::every][:IMAGES], train.images, train.levels, train.trimap_of
    )
    with tempfile.TemporaryDirectory() as work, _quiet():
        inferred, made = Path(work, "inferred.onnx"), Path(work, "int8.onnx")
        try:
            # Without its own changes of the graph, after which nodes have other names.
            quant_pre_process(graph, str(inferred), skip_optimization=True)
            quantize_static(
                str(inferred),
                str(made),
                Images(calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=[*nodes],
            )
            return onnx.load(str(made))
        # It has errors of many types.
        except Exception as error:
            raise RunError(f"export.int8=true: the network cannot be quantised ({reason(error)})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    # It advises what has been done already.
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
