"""Convolution with reflect padding that keeps a feature map in channels_last, on CUDA too."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable


class ReflectConv2d(nn.Conv2d):
    """A 3x3 convolution without bias whose input is reflected by one pixel: (B,I,H,W) to (B,O,H,W), H and W from 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, padding_mode="reflect", bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # PyTorch's padding for CUDA always gives a contiguous map, which is then converted back, and its backward pass
        # is not deterministic. The one for CPUs keeps the layout, and a compiler makes its own.
        if x.is_cuda and not torch.compiler.is_compiling():
            return F.conv2d(Reflect.apply(x), self.weight)
        return super().forward(x)


class Reflect(torch.autograd.Function):
    """Reflect a channels_last map by one pixel on every side: (B,C,H,W) to (B,C,H+2,W+2), in channels_last.

    The backward pass adds the gradient of every border to the pixels that it is a copy of, a strip at a time, and so in
    the same order each time.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        # As a volume of height, width and channels the map is contiguous.
        return F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1), mode="reflect").permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        rows = gradient[:, :, 1:-1].clone(memory_format=torch.channels_last)
        # Not by +=, which would copy each strip onto itself.
        rows.select(2, 1).add_(gradient.select(2, 0))
        rows.select(2, -2).add_(gradient.select(2, -1))
        rows.select(3, 2).add_(rows.select(3, 0))
        rows.select(3, -3).add_(rows.select(3, -1))
        return rows[..., 1:-1]
