"""What a network costs: its parameters and the multiply-accumulates of one image."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_macs(model: nn.Module, size: int) -> int | None:
    """Return the multiply-accumulates of one image of `size` x `size`; None if the network fails on the meta device."""
    with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.device("meta"):
        try:
            copy.deepcopy(model).to("meta").eval()(torch.empty(1, 3, size, size))
        # A user's network may raise anything, and must not fail a run that has been trained.
        except Exception:
            return None
    return counter.get_total_flops() // 2
