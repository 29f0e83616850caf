"""The optimizer and the schedule of its learning rate."""

import math
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from pets_seg.errors import InputError


def build_optimizer(settings: DictConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that an `optimizer` option describes; InputError if its settings do not fit its class."""
    arguments = {key: value for key, value in settings.items() if key != "name"}
    try:
        optimizer = instantiate(arguments, network.parameters())
    # Hydra 1.3 hides what the class raises behind an error of its own, 1.4 hands it on.
    except Exception as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise InputError(f"optimizer={settings.name}: cannot be made ({reason})") from error
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InputError(f"optimizer={settings.name}: {arguments['_target_']} does not make a torch.optim.Optimizer")
    return optimizer


def build_scheduler(settings: Any, optimizer: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """Return the schedule over `steps` updates; `optimizer.lr` is its highest rate."""
    match settings.name:
        case "constant":
            return LambdaLR(optimizer, lambda step: 1.0)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps)
        case "onecycle":
            highest = [group["lr"] for group in optimizer.param_groups]
            # By default it would move the momentum too, away from what the optimizer's option says.
            # PyTorch divides by zero when the way up is exactly one step; without a way up it does not.
            warmup = 0.0 if math.isclose(settings.warmup * steps, 1) else settings.warmup
            return OneCycleLR(optimizer, highest, steps, pct_start=warmup, cycle_momentum=False)
    raise InputError(f"scheduler.name={settings.name}: is one of constant, onecycle, cosine")
