"""A U-shaped network with a ResNet-34 encoder (He et al. 2016, arXiv:1512.03385) and a slim decoder."""

from typing import Annotated, Any

import torch
from torch import nn

from pets_seg.config.rules import Range
from pets_seg.errors import InputError
from pets_seg.models.blocks import DoubleConv, Upsample, Upsampling, check_input


class ResNet34UNet(nn.Module):
    """ResNet-34 to 1/32 of the side, one more residual block 512 to 256, five decoder blocks of `decoder_width`.

    A decoder block first concatenates the skip (512, 256, 128, 64 channels at 1/32 to 1/4, none for the last), then
    enlarges twofold, then convolves. 23.6 M parameters bilinear, 26.5 M transposed. `pretrained` starts the encoder
    from torchvision's ImageNet weights, which need images normalised by ImageNet's mean and standard deviation.
    """

    def __init__(
        self,
        decoder_width: Annotated[int, Range(1, 1024)] = 32,
        upsampling: Upsampling = "bilinear",
        pretrained: bool = False,
    ) -> None:
        # Importing torchvision takes a second.
        from torchvision.models.resnet import BasicBlock

        super().__init__()
        self.pretrained = pretrained
        self.stem, self.stages = _encoder()
        projection = nn.Sequential(nn.Conv2d(512, 256, 1, bias=False), nn.BatchNorm2d(256))
        self.bridge = BasicBlock(512, 256, downsample=projection)
        for module in self.bridge.modules():
            if isinstance(module, nn.Conv2d):
                # As torchvision initialises the encoder.
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.upsamplers, self.decoder = nn.ModuleList(), nn.ModuleList()
        below = 256
        for skip in (512, 256, 128, 64, 0):
            self.upsamplers.append(Upsample(upsampling, below + skip, below + skip))
            self.decoder.append(DoubleConv(below + skip, decoder_width))
            below = decoder_width
        self.head = nn.Conv2d(decoder_width, 2, 3, padding=1)

    def load_pretrained(self) -> None:
        """Give the encoder torchvision's ImageNet weights, downloaded if needed; InputError if they cannot be."""
        for module, pretrained in zip((self.stem, self.stages), _encoder(imagenet_weights()), strict=True):
            module.load_state_dict(pretrained.state_dict())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        check_input(image)
        height, width = image.shape[-2:]
        x, skips = self.stem(image), []
        for stage in self.stages:
            x = stage(x)
            skips.append(x)
        half = ((height + 1) // 2, (width + 1) // 2)
        sizes = [*(skip.shape[-2:] for skip in reversed(skips[:-1])), half, (height, width)]
        x = self.bridge(x)
        for upsample, block, size in zip(self.upsamplers, self.decoder, sizes, strict=True):
            x = torch.cat((skips.pop(), x), dim=1) if skips else x
            x = block(upsample(x, size))
        return self.head(x)


def _encoder(weights: Any = None) -> tuple[nn.Sequential, nn.ModuleList]:
    from torchvision.models import resnet34

    trunk = resnet34(weights=weights)
    stem = nn.Sequential(trunk.conv1, trunk.bn1, trunk.relu, trunk.maxpool)
    return stem, nn.ModuleList((trunk.layer1, trunk.layer2, trunk.layer3, trunk.layer4))


def imagenet_weights() -> Any:
    """Return torchvision's ImageNet weights, downloaded if needed; InputError if they cannot be."""
    from torchvision.models import ResNet34_Weights

    weights = ResNet34_Weights.IMAGENET1K_V1
    try:
        weights.get_state_dict(check_hash=True)
    # URLError is an OSError; a wrong checksum is a RuntimeError.
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"model.pretrained=true: {weights.url} cannot be downloaded ({error}); "
            f"put it into {torch.hub.get_dir()}/checkpoints, or use model.pretrained=false"
        ) from error
    return weights
