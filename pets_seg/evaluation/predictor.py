"""The network of a checkpoint, for photographs of any size."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from pets_seg.config.options import own_option
from pets_seg.config.parts import imported, permitted
from pets_seg.config.rules import check_value
from pets_seg.config.weights import find_weights
from pets_seg.data import Normalise
from pets_seg.data.photo import photo_of, read_photo
from pets_seg.errors import InputError, RunError, printable
from pets_seg.evaluation.photo_prediction import Prediction, stretched
from pets_seg.machine.device import resolve_device
from pets_seg.machine.precision import autocast, use_device
from pets_seg.machine.processor import bf16_instructions
from pets_seg.models import memory_format
from pets_seg.models.checkpoint import load_network, read_about

log = logging.getLogger("pets_seg")
# What to do with a checkpoint whose settings name classes beside that of the network.
FURTHER = "use task=predict, with model=NAME hydra.searchpath=[file:///my/conf], as its settings name further classes"


def load_model(
    checkpoint: str | Path | None = None,
    device: str | torch.device = "auto",
    flip: bool = False,
    model: Callable[..., nn.Module] | None = None,
) -> "Predictor":
    """Return the network of a run folder or of a file of weights, by default the one that ships, ready for photographs.

    With `flip` it averages over the photograph and its mirror image. `model` is the class or function of a network of
    one's own; a file alone makes the package's networks only, since it may be a stranger's. Raises InputError for a
    checkpoint or a device that cannot be used, and for another `model` than the checkpoint was made of.
    """
    check_value("flip", flip, bool)
    if model is not None and not callable(model):
        raise InputError(
            f"model={printable(model)}: must be a class or a function, e.g. model=MyNetwork without quotes"
        )
    # The CPU has one number, which its name does not say here.
    name = device.type if isinstance(device, torch.device) and device.type != "cuda" else device
    name = str(name) if isinstance(name, torch.device) else name
    check_value("device", name, str)
    try:
        place = resolve_device(name)
    except InputError as error:
        # On the command line it is a setting of another name.
        raise InputError(str(error).replace("train.device", "device")) from None
    weights = find_weights(None if checkpoint is None else str(checkpoint))
    return Predictor(weights, place, flip, about=read_about(weights, permit=lambda settings: _made_of(settings, model)))


def _made_of(settings: Mapping[str, Any], model: Callable[..., nn.Module] | None) -> dict[str, Any]:
    """Return the settings of a checkpoint's network; InputError if that is neither the package's own nor `model`."""
    if model is None:
        return permitted("model", settings, advice="hand over its class: load_model(..., model=MyNetwork)")
    name = settings.get("name")
    own = own_option("model", name).get("_target_") if isinstance(name, str) else None
    target = settings.get("_target_", own or name)
    # A stranger's file names what it likes: it is only looked up, and what is imported later is there already.
    if not isinstance(target, str) or imported(target) is not model:
        called = getattr(model, "__qualname__", "")
        given = f"{model.__module__}.{called}" if called else f"a {type(model).__name__}"
        advice = "leave model out" if own and target == own else "hand over that one, if it is yours"
        raise InputError(f"its network is {printable(target)}, not model={given}; {advice}")
    return permitted("model", settings, {target}, advice=FURTHER)


class Predictor:
    """Segments photographs as in training: squeezed into a square of the side that the network was trained on.

    `value_range` are the values of black and white that pictures of more than 8 bits had in training, None for those of
    their type.
    """

    def __init__(
        self,
        weights: Path,
        device: torch.device,
        flip: bool = False,
        precision: str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        """Load the weights; InputError if they cannot be used. `precision` is that of the run unless it is given.

        `about` is what `read_about` returned of them, if that was asked already. A CPU that does not compute bf16 in
        hardware predicts in fp32.
        """
        about = about or read_about(weights)
        self.size, self.value_range = int(about["size"]), about.get("range")
        self._weights = weights
        self.flip, self.device, self._precision = flip, device, precision or about["precision"]
        if self._precision == "fp16" and device.type != "cuda":
            log.warning(f"the run was in fp16, which {device.type} cannot compute; predicting in fp32")
            self._precision = "fp32"
        if self._precision == "bf16" and device.type == "cpu" and not bf16_instructions():
            # Without such instructions it takes many times as long, and of four masks of the model that ships at most
            # 0.13 % of the pixels changed.
            self._precision = "fp32"
        use_device(device)
        self.network = load_network(weights, device, about=about).eval()
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
