"""The network of a checkpoint, for photographs of any size."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pets_seg.config.rules import check_value
from pets_seg.config.weights import find_weights
from pets_seg.data import Normalise
from pets_seg.data.photo import photo_of, read_photo
from pets_seg.errors import InputError, RunError, printable
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.machine.device import resolve_device
from pets_seg.machine.precision import autocast, use_device
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about

log = logging.getLogger("pets_seg")


def load_model(checkpoint: str | Path, device: str | torch.device = "auto", flip: bool = False) -> "Predictor":
    """Return the network of a run folder or of a file of weights, ready for photographs.

    With `flip` it averages over the photograph and its mirror image. Raises InputError for a checkpoint or a device
    that cannot be used.
    """
    check_value("flip", flip, bool)
    # The CPU has one number, which its name does not say here.
    name = device.type if isinstance(device, torch.device) and device.type != "cuda" else device
    name = str(name) if isinstance(name, torch.device) else name
    check_value("device", name, str)
    try:
        place = resolve_device(name)
    except InputError as error:
        # On the command line it is a setting of another name.
        raise InputError(str(error).replace("train.device", "device")) from None
    return Predictor(find_weights(str(checkpoint)), place, flip)


class Predictor:
    """Segments photographs as in training: squeezed into a square of the side that the network was trained on.

    `value_range` are the values of black and white that pictures of more than 8 bits had in training, None for those of
    their type.
    """

    def __init__(self, weights: Path, device: torch.device, flip: bool = False, precision: str | None = None) -> None:
        """Load the weights; InputError if they cannot be used. `precision` is that of the run unless it is given."""
        about = read_about(weights)
        self.size, self.value_range = int(about["size"]), about.get("range")
        self._weights = weights
        self.flip, self.device, self._precision = flip, device, precision or about["precision"]
        if self._precision == "fp16" and device.type != "cuda":
            log.warning(f"the run was in fp16, which {device.type} cannot compute; predicting in fp32")
            self._precision = "fp32"
        use_device(device)
        self.network = load_network(weights, device).eval()
        self._normalise = Normalise(about["normalisation"], device, memory_format(device, self.network))

    def __call__(self, image: Image.Image | np.ndarray | str | Path) -> Prediction:
        """Return what the network says of a photograph: a file, a picture of Pillow's, or (H,W,3) uint8.

        A picture of Pillow's is treated as its file. Raises BadFileError for one that cannot be used, InputError for
        anything else, and RunError where the network gives no finite values.
        """
        if isinstance(image, str | Path):
            photo = read_photo(Path(image), self.value_range)
        elif isinstance(image, Image.Image):
            photo = photo_of(image, self.value_range)
        else:
            photo = Image.fromarray(_pixels(image))
        [probabilities] = self.probabilities([self.squared(photo)])
        return Prediction(photo, stretched(probabilities, photo.size))

    def squared(self, photo: Image.Image) -> np.ndarray:
        """Return an RGB photograph as the network takes it, (S,S,3) uint8, resized with antialiasing."""
        return np.asarray(photo.resize((self.size, self.size), Image.Resampling.BILINEAR))

    def probabilities(self, squares: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probabilities of pet, (B,S,S) float32, for photographs of `squared`.

        Raises RunError if they are not finite.
        """
        images = torch.from_numpy(np.stack(squares)).to(self.device).permute(0, 3, 1, 2).float().div(self._white)
        with torch.inference_mode():
            probabilities = self._pet(images)
            if self.flip:
                probabilities = (probabilities + self._pet(images.flip(-1)).flip(-1)) / 2
        found = probabilities.cpu().numpy()
        if not np.isfinite(found).all():
            raise RunError(
                f"checkpoint={printable(self._weights)}: its weights give values that are not finite, of which no mask "
                "can be made; give another checkpoint"
            )
        return found

    def _pet(self, images: torch.Tensor) -> torch.Tensor:
        with autocast(self.device, self._precision):
            logits = self.network(self._normalise(images)).float()
        return (logits[:, 1] - logits[:, 0]).sigmoid()

    @cached_property
    def _white(self) -> torch.Tensor:
        # CUDA multiplies by the reciprocal of a plain number, and would round otherwise than the CPU.
        return torch.tensor(255.0, device=self.device)


def _pixels(image: object) -> np.ndarray:
    """Return an array (H,W,3) of uint8; InputError for anything else, as its values could mean several things."""
    given = printable(type(image).__name__)
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
            return image
        given = "an array"
    if isinstance(image, np.ndarray | torch.Tensor):
        given += f" {tuple(image.shape)} of {image.dtype}"
    raise InputError(
        f"the photograph is {given}; must be a file, a picture of Pillow's, or an array (H,W,3) of uint8 with red, "
        "green and blue from 0 to 255; convert it to one of these"
    )
