"""The parts that both networks are made of."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from pets_seg.models.reflect import ReflectConv2d

Upsampling = Literal["bilinear", "transposed"]


class DoubleConv(nn.Sequential):
    """Two times: 3x3 convolution with reflect padding, batch norm, ReLU. (B,I,H,W) to (B,O,H,W); H, W from 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for channels in (in_channels, out_channels):
            # It needs no bias: the batch norm that follows has one.
            self.append(ReflectConv2d(channels, out_channels))
            self.append(nn.BatchNorm2d(out_channels))
            self.append(nn.ReLU(inplace=True))


class Upsample(nn.Module):
    """Enlarge a feature map twofold, to an exact size if an odd side was halved before.

    `bilinear` interpolates (align_corners) and keeps the channels; `transposed` is a learned 2x2 convolution with
    stride 2 from `in_channels` to `out_channels`.
    """

    def __init__(self, upsampling: Upsampling, in_channels: int, out_channels: int) -> None:
        super().__init__()
        transposed = upsampling == "transposed"
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2) if transposed else None

    def forward(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        if self.conv is None:
            return _interpolate(x, size)
        x = self.conv(x)
        # Only encoders that pad nothing leave more than a row or column.
        if max(size[0] - x.shape[-2], size[1] - x.shape[-1]) > 1:
            return _interpolate(x, size)
        for dim in (-2, -1):
            # The last row or column once more: F.pad would not keep channels_last on CUDA.
            while size[dim] > x.shape[dim]:
                x = torch.cat((x, x.narrow(dim, -1, 1)), dim)
        return x[..., : size[0], : size[1]]


def _interpolate(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Enlarge a feature map in the number format that it has."""
    # The meta device has no autocast.
    if x.is_meta or x.dtype not in (torch.bfloat16, torch.float16):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
    # Autocast would take float32, and so would the skip that is concatenated: the largest maps of the decoder.
    with torch.autocast(x.device.type, enabled=False):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def check_input(image: torch.Tensor) -> None:
    """Raise ValueError unless `image` is (B,3,H,W) with H and W from 32."""
    if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[-2:]) < 32:
        raise ValueError(f"image of shape {tuple(image.shape)}: must be (B,3,H,W) with H and W of 32 or more")
