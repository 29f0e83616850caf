"""UNet with faults that are easily made, as an option of one's own: to see what they cost."""

from typing import Annotated

import torch

from pets_seg import Range
from pets_seg.augment import RandomGridElastic
from pets_seg.models.blocks import Upsampling
from pets_seg.models.unet import UNet


class FaultyUNet(UNet):
    """UNet that stays in evaluation mode after its first validation, or deforms its images but not their masks.

    The first fault is `stays_in_evaluation`: `eval()` is called for validation, and `train()` is not called after it.
    Batch norm then goes on with the statistics of the first epoch. With the second, `warps_images_alone`, image and
    mask go through a random transform one after the other; transform and probability are those of `aug=elastic`.
    """

    def __init__(
        self,
        width: Annotated[int, Range(1, 1024)] = 64,
        upsampling: Upsampling = "bilinear",
        stays_in_evaluation: bool = False,
        warps_images_alone: bool = False,
    ) -> None:
        super().__init__(width, upsampling)
        self._stays, self._warps = stays_in_evaluation, warps_images_alone
        self._elastic = RandomGridElastic(p=0.2, cells=4, displacement=0.03)
        # In the state dict, so that a run that is continued has the fault from the same moment on.
        self.register_buffer("has_learned", torch.tensor(False))
        self.register_buffer("is_stuck", torch.tensor(False))

    def train(self, mode: bool = True) -> "FaultyUNet":
        """Leave evaluation mode only if this network does not stay in it."""
        if self._stays and not mode:
            self.is_stuck |= self.has_learned
        # Before a run the network is tried on the meta device, where tensors have no values.
        is_stuck = not self.is_stuck.is_meta and bool(self.is_stuck)
        super().train(mode and not is_stuck)
        return self

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        # Not `self.training`, which the first fault keeps false.
        if torch.is_grad_enabled():
            self.has_learned.fill_(True)
            if self._warps:
                image = self._elastic(image)
        return super().forward(image)
