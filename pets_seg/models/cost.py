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

    None if the network uses an operation that has no rule for tensors that hold nothing.
    """
    shadow = copy.deepcopy(model).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            shadow(torch.empty(1, 3, size, size, device="meta"))
        except NotImplementedError:
            return None
    return counter.get_total_flops() // 2
