"""The networks: image (B,3,H,W) to logits (B,2,H,W), for any H and W from 32.

A network may have more: an attribute `checkpoint_activations`, which training sets; a method `memory_format(device)`
that returns the fastest one; and, if it has a setting `pretrained`, an attribute of that name and a method
`load_pretrained()`, called when a run is checked and when it begins, unless it starts from a checkpoint.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pets_seg.config.parts import build
from pets_seg.errors import InputError


def build_model(settings: Mapping[str, Any]) -> nn.Module:
    """Return the new network of a `model` option's settings; InputError if it cannot be made."""
    return build("model", settings, makes=nn.Module)


def on_meta(settings: Mapping[str, Any]) -> nn.Module:
    """Return the network of settings on the meta device, where tensors have a shape and no values."""
    try:
        with torch.device("meta"):
            return build_model(settings)
    # A network may need the values of its tensors while it is made.
    except InputError:
        return build_apart(settings).to("meta")


def build_apart(settings: Mapping[str, Any]) -> nn.Module:
    """Return a new network on the CPU without a change of this process's random state."""
    with torch.random.fork_rng(devices=[]):
        return build_model(settings)


def memory_format(device: torch.device, network: nn.Module) -> torch.memory_format:
    """Return the memory format in which a network is fastest: its own, else channels_last on CPUs and CUDA."""
    if device.type not in ("cpu", "cuda"):
        return torch.contiguous_format
    own = getattr(network, "memory_format", None)
    return own(device) if own else torch.channels_last
