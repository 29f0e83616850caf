"""What ONNX files hold and give, read with nothing of this package."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def probabilities(file: Path, photos: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime makes of photographs (B,H,W,3)."""
    [found] = onnxruntime.InferenceSession(str(file)).run(None, {"photo": photos})
    return found


def metadata(file: Path) -> dict[str, str]:
    """Return what a file says of itself."""
    return {item.key: item.value for item in onnx.load(file).metadata_props}
