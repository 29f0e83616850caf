"""The networks: image (B,3,H,W) to logits (B,2,H,W), for any H and W from 32.

A network may say what it can do beside that: an attribute `checkpoint_activations`, which training sets; a method
`memory_format(device)`, in which it is fastest; and, where its setting `pretrained` is true, an attribute
`pretrained` and a method `load_pretrained()`, called when a run is checked and when it begins.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pets_seg.config.parts import build
from pets_seg.errors import InputError


def build_model(settings: Mapping[str, Any]) -> nn.Module:
    """Return the new network of a `model` option's settings; InputError if it cannot be made."""
    network = build("model", settings)
    if not isinstance(network, nn.Module):
        raise InputError(f"model={settings['name']}: {settings['_target_']} does not make a torch.nn.Module")
    return network


def on_meta(settings: Mapping[str, Any]) -> nn.Module:
    """Return the network of settings as it would be, with tensors that hold nothing."""
    try:
        with torch.device("meta"):
            return build_model(settings)
    # One that looks at its own numbers while it is made can only be made with them.
    except InputError:
        return build_apart(settings).to("meta")


def build_apart(settings: Mapping[str, Any]) -> nn.Module:
    """Return a new network on the CPU and leave the random numbers of this process as they were."""
    with torch.random.fork_rng(devices=[]):
        return build_model(settings)


def memory_format(device: torch.device, network: nn.Module) -> torch.memory_format:
    """Return the memory format of network and input in which its convolutions are fastest.

    That is channels_last, on tensor cores and on CPUs, unless the network itself says otherwise.
    """
    if device.type not in ("cpu", "cuda"):
        return torch.contiguous_format
    if hasattr(network, "memory_format"):
        return network.memory_format(device)
    return torch.channels_last
