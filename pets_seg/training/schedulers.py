"""How the learning rate moves: f(optimizer, steps, **settings), the steps those of the whole run."""

import math
from typing import Annotated

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from pets_seg.config.rules import Range


def constant(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return a schedule that leaves the rate as it is."""
    return LambdaLR(optimizer, lambda step: 1.0)


def cosine(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return a schedule to zero by cosine, without restarts (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    return CosineAnnealingLR(optimizer, steps)


def onecycle(optimizer: Optimizer, steps: int, warmup: Annotated[float, Range(0, 0.99)] = 0.15) -> LRScheduler:
    """Return a schedule up to the optimizer's rate in a share `warmup` of the steps, then down to nearly nothing.

    Smith and Topin 2018, arXiv:1708.07120.
    """
    highest = [group["lr"] for group in optimizer.param_groups]
    # PyTorch divides by zero when the way up is exactly one step; without a way up it does not.
    share = 0.0 if math.isclose(warmup * steps, 1) else warmup
    # By default it would move the momentum too, away from what the optimizer's option says.
    return OneCycleLR(optimizer, highest, steps, pct_start=share, cycle_momentum=False)
