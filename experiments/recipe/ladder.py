"""Parts that might shorten the recipe, as options of one's own. They are known from speed runs on other data."""

from collections.abc import Iterable
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import nn

from pets_seg import Range
from pets_seg.models.blocks import Upsampling
from pets_seg.models.reflect import ReflectConv2d
from pets_seg.models.unet import UNet
from pets_seg.training.muon import Muon


class IdentityUNet(UNet):
    """UNet whose convolutions pass their input on before they have learned anything.

    As many channels of a 3x3 convolution as it has inputs begin as a copy of one, the others as PyTorch draws them: the
    identity initialisation of Zagoruyko and Komodakis 2017 (arXiv:1706.00388), as in speed runs on CIFAR-10 (Jordan
    2024, arXiv:2404.00498). Convolutions with more inputs than outputs are left as they are: a copy of the first inputs
    would be one of the skip alone, and the levels below would get no gradient.
    """

    def __init__(self, width: Annotated[int, Range(1, 1024)] = 64, upsampling: Upsampling = "bilinear") -> None:
        super().__init__(width, upsampling)
        for module in self.modules():
            if isinstance(module, ReflectConv2d) and module.in_channels <= module.out_channels:
                nn.init.dirac_(module.weight.data[: module.in_channels])


class GrowingUNet(UNet):
    """UNet that sees images of half the size in its first `small_steps` forward passes of training.

    Its logits are enlarged to the size of the mask (progressive resizing). Images have to have sides of 64 or more.
    """

    def __init__(
        self,
        width: Annotated[int, Range(1, 1024)] = 64,
        upsampling: Upsampling = "bilinear",
        small_steps: Annotated[int, Range(0, 10**9)] = 0,
    ) -> None:
        super().__init__(width, upsampling)
        self.small_steps = small_steps
        # In the state dict, so that a run that is continued goes on at the same step.
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if not (self.training and torch.is_grad_enabled()):
            return super().forward(image)
        self.steps += 1
        # Before a run the network is tried on the meta device, where tensors have no values: as in its first pass.
        if self.small_steps == 0 or (not self.steps.is_meta and self.steps > self.small_steps):
            return super().forward(image)
        small = F.interpolate(image, scale_factor=0.5, mode="bilinear", antialias=True)
        return F.interpolate(super().forward(small), size=image.shape[-2:], mode="bilinear")


class NormMuon(Muon):
    """Muon that moves norms and biases at `norm_factor` times the learning rate.

    The learning rate that a run logs is then that of norms and biases.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 4e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        norm_factor: Annotated[float, Range(0, 1000)] = 1.0,
    ) -> None:
        super().__init__(params, lr, weight_decay, momentum, betas)
        norms, _ = self.param_groups
        norms["lr"] = lr * norm_factor
