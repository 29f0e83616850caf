"""The optimizer of a run and its learning-rate schedule, as their options describe them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from pets_seg.config.parts import build
from pets_seg.errors import InputError


def build_optimizer(settings: Mapping[str, Any], network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer of an option's settings; InputError if they do not fit its class."""
    optimizer = build("optimizer", settings, network.parameters())
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(f"optimizer={settings['name']}: {settings['_target_']} does not make a torch.optim.Optimizer")
    return optimizer


def build_scheduler(settings: Mapping[str, Any], optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Return the schedule of an option's settings over `steps` updates; the optimizer has the highest rate."""
    scheduler = build("scheduler", settings, optimizer, steps)
    if not isinstance(scheduler, LRScheduler):
        raise InputError(
            f"scheduler={settings['name']}: {settings['_target_']} does not make a torch.optim.lr_scheduler.LRScheduler"
        )
    return scheduler
