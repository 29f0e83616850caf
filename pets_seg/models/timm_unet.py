"""A U-shaped network whose encoder is a network of timm's (Wightman, https://github.com/huggingface/pytorch-image-models)."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import nn

from pets_seg.config.rules import Range
from pets_seg.errors import InputError, nearest, printable, reason
from pets_seg.models.blocks import DoubleConv, Upsample, Upsampling, check_input
from pets_seg.models.timm_weights import from_imagenet, pretrained_features


class TimmUNet(nn.Module):
    """The feature maps of `encoder`, each half as large as the one before it, and a decoder that enlarges the last.

    A decoder block enlarges twofold, concatenates the encoder's map of that size, if there is one, and convolves. At
    1/r of the side it has r times `width` channels. `encoder` is a name of timm's, with the tag of its weights
    if they are wanted (resnet18.a1_in1k); `pretrained` starts from those. Images are expected by ImageNet's mean and
    standard deviation, and are brought to those that the encoder was published with. Raises InputError for a network
    that timm does not have or that has no such feature maps.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self,
        encoder: str = "mobilenetv3_large_100",
        width: Annotated[int, Range(1, 256)] = 16,
        upsampling: Upsampling = "bilinear",
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.pretrained, self._name = pretrained, encoder
        self.encoder, published = _encoder(encoder)
        channels, reductions = self.encoder.feature_info.channels(), self.encoder.feature_info.reduction()
        if reductions[0] not in (1, 2, 4) or any(below != 2 * above for above, below in pairwise(reductions)):
            raise InputError(
                f"model.encoder={encoder}: has feature maps at 1/{', 1/'.join(map(str, reductions))} of the side; must "
                "begin at 1, 1/2 or 1/4, each half as large as the one before"
            )
        self.upsamplers, self.decoder = nn.ModuleList(), nn.ModuleList()
        skips = dict(zip(reductions, channels, strict=True))
        below, reduction = skips[reductions[-1]], reductions[-1]
        while reduction > 1:
            reduction //= 2
            self.upsamplers.append(Upsample(upsampling, below, below))
            self.decoder.append(DoubleConv(below + skips.get(reduction, 0), width * reduction))
            below = width * reduction
        self.head = nn.Conv2d(below, 2, 1)
        # In the state dict, since another version of timm may publish other weights by the same name.
        scale, shift = from_imagenet(published)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def load_pretrained(self) -> None:
        """Give the encoder the weights of its tag, downloaded if needed; InputError if they cannot be had."""
        self.encoder.load_state_dict(pretrained_features(self._name))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        check_input(image)
        *skips, x = self._features(image * self.scale + self.shift)
        height, width = image.shape[-2:]
        for upsample, block in zip(self.upsamplers, self.decoder, strict=True):
            if skips:
                skip = skips.pop()
                x = torch.cat((skip, upsample(x, skip.shape[-2:])), dim=1)
            else:
                # The last two, at most, have no map of the encoder's beside them.
                half = len(self.decoder) > 1 and block is self.decoder[-2]
                x = upsample(x, ((height + 1) // 2, (width + 1) // 2) if half else (height, width))
            x = block(x)
        return self.head(x)

    def _features(self, image: torch.Tensor) -> list[torch.Tensor]:
        features = self.encoder(image)
        channels_last = str(getattr(self.encoder, "output_fmt", "NCHW")).endswith("NHWC")
        return [x.permute(0, 3, 1, 2) for x in features] if channels_last else features


def _encoder(name: str) -> tuple[Any, Any]:
    """Return a new network of timm's that gives feature maps, and what timm publishes of its weights."""
    try:
        import timm
    except ImportError:
        raise InputError("model=timm_unet: timm is not there; pip install 'pets_seg[encoders]'") from None
    # A name from a stranger's file may have timm read a folder or the network; of those that it registers none does.
    if not timm.is_model(name):
        raise InputError(
            f"model.encoder={printable(name[:100])}: timm {timm.__version__} has no such network"
            f"{nearest(name, timm.list_models())}; timm.list_models() names all"
        )
    try:
        published = timm.get_pretrained_cfg(name)
        try:
            # Only the networks with windows have this argument: they take images of their published size without it.
            encoder = timm.create_model(name, features_only=True, strict_img_size=False)
        except TypeError:
            encoder = timm.create_model(name, features_only=True)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise InputError(
            f"model.encoder={printable(name)}: timm cannot make feature maps of it ({reason(error)}); give another of "
            "timm.list_models()"
        ) from error
    # What its weights expect of images would not be known.
    if published is None:
        raise InputError(
            f"model.encoder={name}: is a name of former versions of timm{nearest(name, timm.list_pretrained())}; "
            "timm.list_models() names all"
        )
    return encoder, published
