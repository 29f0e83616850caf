"""What a network costs: its parameters and the multiply-accumulates of one image."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_macs(model: nn.Module, size: int) -> int | None:
    """Return the multiply-accumulates of the convolutions for one image of `size` x `size`; nothing is computed.

    None if the network cannot be computed with tensors that hold nothing.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        try:
            copy.deepcopy(model).to("meta").eval()(torch.empty(1, 3, size, size))
        # What a network of a user's own raises can be anything, and its training is over.
        except Exception:
            return None
    return counter.get_total_flops() // 2
