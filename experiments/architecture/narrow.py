"""ResNet34-UNet of any width, to compare it with a UNet of as many parameters."""

from typing import Annotated

from torch import nn
from torchvision.models.resnet import BasicBlock

from pets_seg import Range
from pets_seg.models.blocks import DoubleConv, Upsample, Upsampling
from pets_seg.models.resnet34_unet import ResNet34UNet

# Residual blocks of each stage (He et al. 2016).
BLOCKS = (3, 4, 6, 3)


class NarrowResNet34UNet(ResNet34UNet):
    """ResNet34-UNet whose stages have `width` times 1, 2, 4, 8 channels, and its decoder half of `width`.

    With a width of 64 it is the package's, with 23.6 M parameters.
    """

    def __init__(self, width: Annotated[int, Range(2, 1024)] = 64, upsampling: Upsampling = "bilinear") -> None:
        nn.Module.__init__(self)
        self.pretrained = False
        channels = [width * factor for factor in (1, 2, 4, 8)]
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stages = nn.ModuleList()
        before = width
        for level, (after, count) in enumerate(zip(channels, BLOCKS, strict=True)):
            first = _block(before, after, 2 if level else 1)
            self.stages.append(nn.Sequential(first, *(_block(after, after) for _ in range(count - 1))))
            before = after
        self.bridge = _block(channels[3], channels[2])
        self.upsamplers, self.decoder = nn.ModuleList(), nn.ModuleList()
        below, decoder_width = channels[2], width // 2
        for skip in (*reversed(channels), 0):
            self.upsamplers.append(Upsample(upsampling, below + skip, below + skip))
            self.decoder.append(DoubleConv(below + skip, decoder_width))
            below = decoder_width
        self.head = nn.Conv2d(decoder_width, 2, 3, padding=1)
        for part in (self.stem, self.stages, self.bridge):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    # As torchvision initialises its ResNets.
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _block(before: int, after: int, stride: int = 1) -> BasicBlock:
    """Return a residual block, with a 1x1 projection where channels or size change."""
    if stride == 1 and before == after:
        return BasicBlock(before, after)
    projection = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
    return BasicBlock(before, after, stride, projection)
