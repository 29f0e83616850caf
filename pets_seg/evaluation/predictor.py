"""The network of a checkpoint, for photographs of any size."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pets_seg.config.weights import find_weights
from pets_seg.data import Normalise
from pets_seg.data.photo import read_photo
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.machine.device import resolve_device
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about

log = logging.getLogger("pets_seg")


def load_model(checkpoint: str | Path, device: str = "auto", flip: bool = False) -> "Predictor":
    """Return the network of a run folder or of a file of weights, ready for photographs.

    With `flip` it averages over the photograph and its mirror image. Raises InputError for a checkpoint or a device
    that cannot be used.
    """
    return Predictor(find_weights(str(checkpoint)), resolve_device(device), flip)


class Predictor:
    """Segments photographs as in training: squeezed into a square of the side that the network was trained on.

    `value_range` are the values of black and white that pictures of more than 8 bits had in training, None for those of
    their type.
    """

    def __init__(self, weights: Path, device: torch.device, flip: bool = False, precision: str | None = None) -> None:
        """Load the weights; InputError if they cannot be used. `precision` is that of the run unless it is given."""
        about = read_about(weights)
        self.size, self.value_range = int(about["size"]), about.get("range")
        self.flip, self._device, self._precision = flip, device, precision or about["precision"]
        if self._precision == "fp16" and device.type != "cuda":
            log.warning(f"the run was in fp16, which {device.type} cannot compute; predicting in fp32")
            self._precision = "fp32"
        use_device(device)
        self._network = load_network(weights, device).eval()
        self._normalise = Normalise(about["normalisation"], device, memory_format(device, self._network))

    def __call__(self, image: Image.Image | np.ndarray | str | Path) -> Prediction:
        """Return what the network says of a photograph: a file, a picture of Pillow's, or (H,W,3) uint8.

        Raises BadFileError for a file that cannot be used.
        """
        if isinstance(image, str | Path):
            image = read_photo(Path(image), self.value_range)
        elif isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        photo = image.convert("RGB")
        [probabilities] = self.probabilities([self.squared(photo)])
        return Prediction(photo, stretched(probabilities, photo.size))

    def squared(self, photo: Image.Image) -> np.ndarray:
        """Return an RGB photograph as the network takes it, (S,S,3) uint8, resized with antialiasing."""
        return np.asarray(photo.resize((self.size, self.size), Image.Resampling.BILINEAR))

    def probabilities(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probabilities of pet, (B,S,S) float32, for photographs of `squared`."""
        images = torch.from_numpy(np.stack(squares)).to(self._device).permute(0, 3, 1, 2).float().div(self._white)
        with torch.inference_mode():
            probabilities = self._pet(images)
            if self.flip:
                probabilities = (probabilities + self._pet(images.flip(-1)).flip(-1)) / 2
        return probabilities.cpu().numpy()

    def _pet(self, images: torch.Tensor) -> torch.Tensor:
        with autocast(self._device, self._precision):
            logits = self._network(self._normalise(images)).float()
        return (logits[:, 1] - logits[:, 0]).sigmoid()

    @cached_property
    def _white(self) -> torch.Tensor:
        # CUDA multiplies by the reciprocal of a plain number, and would round otherwise than the CPU.
        return torch.tensor(255.0, device=self._device)
