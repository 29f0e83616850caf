"""U-Net (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597), same size in and out."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from pets_seg.config.rules import Range
from pets_seg.models.blocks import DoubleConv, Upsample, Upsampling, check_input


class UNet(nn.Module):
    """Five levels of `width` times 1, 2, 4, 8, 16 channels; the skip is concatenated after upsampling.

    With bilinear upsampling the deepest level and the decoder's outputs are halved, so that the concatenations fit:
    13.4 M parameters at width 64, against 31.0 M with transposed convolutions.
    """

    def __init__(self, width: Annotated[int, Range(1, 1024)] = 64, upsampling: Upsampling = "bilinear") -> None:
        super().__init__()
        halved = 2 if upsampling == "bilinear" else 1
        channels = [width * factor for factor in (1, 2, 4, 8, 16)]
        channels[-1] //= halved
        self.encoder = nn.ModuleList(map(DoubleConv, [3, *channels[:-1]], channels))
        self.upsamplers, self.decoder = nn.ModuleList(), nn.ModuleList()
        below = channels[-1]
        for level in (3, 2, 1, 0):
            skip = channels[level]
            raised = below if halved == 2 else below // 2
            out = skip // halved if level else skip
            self.upsamplers.append(Upsample(upsampling, below, raised))
            self.decoder.append(DoubleConv(raised + skip, out))
            below = out
        self.head = nn.Conv2d(below, 2, 1)
        # Set by training, to save memory.
        self.checkpoint_activations = False

    def memory_format(self, device: torch.device) -> torch.memory_format:
        """Return channels_last, but contiguous_format for a wide network on a CPU without AVX-512."""
        # There channels_last had 6.0 instead of 7.4 images/s (width 64, 64 px, batch 8).
        plain = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() != "AVX512"
        return torch.contiguous_format if plain and self.head.in_channels > 32 else torch.channels_last

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        check_input(image)
        x, skips = image, []
        for level, block in enumerate(self.encoder):
            x = self._run(block, F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for upsample, block in zip(self.upsamplers, self.decoder, strict=True):
            skip = skips.pop()
            x = self._run(block, torch.cat((skip, upsample(x, skip.shape[-2:])), dim=1))
        return self.head(x)

    def _run(self, block: nn.Module, x: torch.Tensor) -> torch.Tensor:
        if not (self.checkpoint_activations and self.training):
            return block(x)
        return checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), frozen_statistics(block)))


@contextmanager
def frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch norm, so that recomputing a block does not count its batch twice."""
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [(norm, norm.momentum, norm.get_buffer("num_batches_tracked").clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, batches in before:
            norm.momentum = momentum
            norm.get_buffer("num_batches_tracked").copy_(batches)
