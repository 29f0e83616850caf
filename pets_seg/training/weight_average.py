"""The moving average of a network's weights."""

import copy
from collections.abc import Iterator
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
        """Take in the weights of `network`; nothing waits for the device."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        averaged, taken = (list(_floats(part)) for part in (self.network, network))
        get_ema_multi_avg_fn(decay)(averaged, taken, None)
        for kept, counted in zip(self.network.buffers(), network.buffers(), strict=True):
            if not kept.is_floating_point():
                kept.copy_(counted)

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


def _floats(network: nn.Module) -> Iterator[torch.Tensor]:
    yield from network.parameters()
    yield from (buffer for buffer in network.buffers() if buffer.is_floating_point())
