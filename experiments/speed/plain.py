"""The two networks as they are commonly written, to compare speed and results with.

Stock modules only: convolutions with padding_mode="reflect", batch norm and ReLU apart, nothing in place.
"""

import torch
import torch.nn.functional as F
from torch import nn


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two times convolution, batch norm, ReLU."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, padding_mode="reflect", bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class PlainUNet(nn.Module):
    """UNet with bilinear upsampling."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.encoder = nn.ModuleList(map(double_conv, [3, w, 2 * w, 4 * w, 8 * w], [w, 2 * w, 4 * w, 8 * w, 8 * w]))
        self.decoder = nn.ModuleList(map(double_conv, [16 * w, 8 * w, 4 * w, 2 * w], [4 * w, 2 * w, w, w]))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.head = nn.Conv2d(w, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B,2,H,W) of images (B,3,H,W), H and W a multiple of 16."""
        skips = []
        for block in self.encoder:
            x = block(self.pool(x) if skips else x)
            skips.append(x)
        skips.pop()
        for block in self.decoder:
            x = block(torch.cat([skips.pop(), self.up(x)], dim=1))
        return self.head(x)


class PlainBlock(nn.Module):
    """A residual block of ResNet-34."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B,O,H/stride,W/stride)."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class PlainResNet34UNet(nn.Module):
    """ResNet34-UNet with bilinear upsampling and a decoder of 32 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        shapes = [(3, 64, 64, 1), (4, 64, 128, 2), (6, 128, 256, 2), (3, 256, 512, 2)]
        self.stages = nn.ModuleList(
            nn.Sequential(PlainBlock(first, out, stride), *(PlainBlock(out, out) for _ in range(count - 1)))
            for count, first, out, stride in shapes
        )
        self.bridge = PlainBlock(512, 256)
        self.decoder = nn.ModuleList(double_conv(channels, 32) for channels in (768, 288, 160, 96, 32))
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.head = nn.Conv2d(32, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (B,2,H,W) of images (B,3,H,W), H and W a multiple of 32."""
        x, skips = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        x = self.bridge(x)
        for block in self.decoder:
            x = block(self.up(torch.cat([skips.pop(), x], dim=1) if skips else x))
        return self.head(x)
