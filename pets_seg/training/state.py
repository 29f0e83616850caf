"""All that training changes, and so all that exact resuming needs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pets_seg.config.parts import check_sources
from pets_seg.errors import InputError
from pets_seg.machine.seeding import random_states, restore_random_states
from pets_seg.training.checkpoint import load_state, save_state
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.weight_average import WeightAverage

# Of last.pt: another one cannot be continued.
LAYOUT = 2
PLAIN = ("epoch", "step", "seconds", "rows", "best_dice", "best_epoch", "best_weights")


@dataclass
class State:
    """What a run is at the end of a step: `step` of `epoch`, with the validated epochs before it in `rows`.

    The order of images and the augmentation of a step follow from the seed, the epoch and the step alone.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    average: WeightAverage | None
    losses: RunningLoss
    epoch: int = 1
    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_dice: float = -1.0
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    # Digests of source files that are not the package's (`parts.source_digests`).
    sources: dict[str, str] = field(default_factory=dict)
    # What makes each metric beside Dice and IoU what it is (`metrics.metric_records`).
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def validated(self) -> nn.Module:
        """The network that is validated and kept: the averaged one, if there is one."""
        return self.average.network if self.average else self.network

    def end_epoch(self, row: dict[str, Any], losses: RunningLoss) -> bool:
        """Take in the row of the epoch that is over and begin the next; return whether its weights are the best."""
        self.rows.append(row)
        better = self.keep_if_best()
        self.epoch, self.step, self.seconds, self.losses = self.epoch + 1, 0, 0.0, losses
        return better

    def keep_if_best(self) -> bool:
        """Take a copy of the validated weights if the last row is the best so far; return whether it is."""
        row = self.rows[-1]
        if not row["val/dice"] > self.best_dice:
            return False
        self.best_dice, self.best_epoch = row["val/dice"], row["epoch"]
        # Copies on the CPU: training goes on, and a GPU's memory is for that.
        self.best_weights = {
            name: tensor.detach().to("cpu", copy=True) for name, tensor in self.validated.state_dict().items()
        }
        return True

    def use_best(self) -> nn.Module:
        """Return the validated network with the weights of its best epoch; training cannot go on after that."""
        self.validated.load_state_dict(self.best_weights)
        return self.validated

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all. All processes of a run must call it; the first one writes."""
        losses = self.losses.state_dict()
        if not self.losses.world.first:
            return
        save_state(
            path,
            {
                "layout": LAYOUT,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "scaler": self.scaler.state_dict(),
                "average": self.average.state_dict() if self.average else None,
                "losses": losses,
                "random": random_states(),
                "sources": self.sources,
                "metrics": self.metrics,
                **{name: getattr(self, name) for name in PLAIN},
            },
        )

    def load(self, path: Path) -> bool:
        """Go on from what `save` wrote; return whether there was something.

        Raises InputError if the file is that of another run.
        """
        state = load_state(path, LAYOUT)
        if state is None:
            return False
        # Older versions kept none.
        check_sources(path, state.get("sources"), self.sources)
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scheduler.load_state_dict(state["scheduler"])
            self.scaler.load_state_dict(state["scaler"])
            if self.average:
                self.average.load_state_dict(state["average"])
            self.losses.load_state_dict(state["losses"])
            for name in PLAIN:
                setattr(self, name, state[name])
            if self.rows and not _alike(self.best_weights, self.network.state_dict()):
                raise ValueError("the best weights are another network's")
            restore_random_states(state["random"])
            # Figures of another metric of the same name say nothing of this one.
            then = state.get("metrics", {})
            for name in [name for name, record in self.metrics.items() if then.get(name) != record]:
                for row in self.rows:
                    row.pop(f"val/{name}", None)
        # A file that was tampered with can be wrong in any of its parts.
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{path}: does not fit this run ({reason}); existing=restart trains it from the beginning"
            ) from error
        return True


def _alike(weights: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return [(name, tensor.shape, tensor.dtype) for name, tensor in weights.items()] == [
        (name, tensor.shape, tensor.dtype) for name, tensor in others.items()
    ]
