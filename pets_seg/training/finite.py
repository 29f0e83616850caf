"""The end of a run whose loss is not a number any more."""

import math

from pets_seg.errors import RunError
from pets_seg.training.setup import Setup


def stop_unless_finite(kind: str, loss: float, run: Setup) -> None:
    """Raise RunError unless `loss`, the `kind` loss of the current epoch, is finite in every process.

    All processes stop at the same step: one that went on would wait for the others.
    """
    if run.world.any(not math.isfinite(loss)):
        lr = run.config["optimizer"].get("lr")
        now = f" (now {lr:g})" if isinstance(lr, int | float) else ""
        raise RunError(
            f"the {kind} loss is not finite in epoch {run.state.epoch}; try a lower optimizer.lr{now}"
            + (" or train.precision=fp32" if run.precision != "fp32" else "")
        )
