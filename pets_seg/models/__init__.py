"""The networks: image (B,3,H,W) to logits (B,2,H,W), for any H and W from 32."""

from typing import Any

from torch import nn

from pets_seg.models.resnet34_unet import ResNet34UNet
from pets_seg.models.unet import UNet

NETWORKS: dict[str, type[nn.Module]] = {"unet": UNet, "resnet34_unet": ResNet34UNet}


def build_model(name: str, **arguments: Any) -> nn.Module:
    """Return a new network; `name` is that of a `model` option, `arguments` its other settings."""
    if name not in NETWORKS:
        raise ValueError(f"model.name={name}: is one of {', '.join(NETWORKS)}")
    return NETWORKS[name](**arguments)
