"""U-Net (Ronneberger, Fischer, Brox 2015, arXiv:1505.04597), same size in and out."""

import torch
import torch.nn.functional as F
from torch import nn

from pets_seg.models.blocks import DoubleConv, Upsample, check_input


class UNet(nn.Module):
    """Five levels of `width` times 1, 2, 4, 8, 16 channels; the skip is concatenated after upsampling.

    With bilinear upsampling the deepest level and the decoder's outputs are halved, so that the concatenations fit:
    13.4 M parameters at width 64, against 31.0 M with transposed convolutions.
    """

    def __init__(self, width: int = 64, upsampling: str = "bilinear") -> None:
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

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        check_input(image)
        x, skips = image, []
        for level, block in enumerate(self.encoder):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for upsample, block in zip(self.upsamplers, self.decoder, strict=True):
            skip = skips.pop()
            x = block(torch.cat((skip, upsample(x, skip.shape[-2:])), dim=1))
        return self.head(x)
