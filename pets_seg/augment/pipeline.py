"""The augmentation of a batch: for every operation a draw per image, and only the drawn images are transformed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from kornia.augmentation import AugmentationSequential
from kornia.constants import DataKey, Resample
from omegaconf import DictConfig

from pets_seg.errors import InputError

NEAREST = {DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": False}}


class Augment:
    """The operations of an `aug` option, each applied to an image with its probability `p`.

    Image and mask get the same random parameters; the image is resampled as the operation says, the mask to the
    nearest pixel. What is drawn depends on the seed given with the batch, not on torch's global generators, and
    leaves those as they were.
    """

    def __init__(self, operations: Sequence[Any]) -> None:
        self.operations = []
        for settings in operations:
            if not isinstance(settings, Mapping | DictConfig):
                raise InputError(f"aug.operations: {settings} is not a mapping with a _target_ and a probability p")
            probability = settings.get("p")
            if "_target_" not in settings or not isinstance(probability, int | float) or not 0 <= probability <= 1:
                raise InputError(f"aug.operations: {dict(settings)} needs a _target_ and a probability p from 0 to 1")
            try:
                operation = instantiate(settings, p=1.0, _convert_="all")
            except InstantiationException as error:
                reason = error.__cause__ or error
                raise InputError(f"aug.operations: {settings['_target_']} cannot be made ({reason})") from error
            both = AugmentationSequential(operation, data_keys=["input", "mask"], extra_args=NEAREST)
            self.operations.append((float(probability), both))

    @torch.no_grad()
    def __call__(self, image: torch.Tensor, mask: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image (B,3,H,W) float in [0, 1] and mask (B,H,W), augmented in place as `seed` says."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for probability, operation in self.operations:
                drawn = (torch.rand(len(image)) < probability).nonzero().squeeze(1)
                if len(drawn):
                    rows = drawn.to(image.device, non_blocking=True)
                    new_image, new_mask = operation(image[rows], mask[rows].unsqueeze(1).float())
                    image[rows] = new_image.clamp(0, 1)
                    mask[rows] = new_mask.squeeze(1).to(mask.dtype)
        return image, mask
