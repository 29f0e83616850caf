"""Updates that fp16 skips."""

import warnings

import torch


def expect_skipped_updates(optimizer: torch.optim.Optimizer) -> None:
    """Prepare an optimizer for fp16, which skips updates whose gradients overflow, the first ones among them.

    Fused SGD would leave its momentum uninitialised then (PyTorch 2.14), and others warn that the schedule came first.
    With the zeros that it gets here a `dampening` counts in its first update too.
    """
    warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
    for group in optimizer.param_groups:
        if isinstance(optimizer, torch.optim.SGD) and group["fused"] and group["momentum"]:
            for weight in group["params"]:
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
