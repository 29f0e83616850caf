"""The moving average of a network's weights."""

import copy
from itertools import compress
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """A copy of the network whose weights and batch norm statistics are exponential moving averages.

    After each update, average = d average + (1 - d) weights (Polyak and Juditsky 1992; Tarvainen and Valpola 2017,
    arXiv:1703.01780). d is at most (1 + t) / (10 + t) after t updates, so that the initial weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the weights of `network` to the average; nothing waits for the device."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averages, currents = ([*each.parameters(), *each.buffers()] for each in (self.network, network))
        is_averaged = [tensor.is_floating_point() or tensor.is_complex() for tensor in averages]
        get_ema_multi_avg_fn(decay)([*compress(averages, is_averaged)], [*compress(currents, is_averaged)], 0)
        for average, current, averaged in zip(averages, currents, is_averaged, strict=True):
            if not averaged:
                average.copy_(current)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the average."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]
