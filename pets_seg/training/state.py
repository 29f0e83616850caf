"""What training changes, and so what exact resuming needs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pets_seg.config.sources import check_sources
from pets_seg.errors import InputError, reason
from pets_seg.evaluation.metrics import EPSILON
from pets_seg.machine.seeding import random_states, restore_random_states
from pets_seg.run_folder.recorded_data import check_same_data
from pets_seg.training.checkpoint import load_state, save_state
from pets_seg.training.running_loss import RunningLoss
from pets_seg.training.step_figures import StepFigures
from pets_seg.training.weight_average import WeightAverage

# The version of last.pt; a checkpoint of another one cannot be continued.
LAYOUT = 2
# The fields that are stored as they are.
PLAIN = ("epoch", "step", "seconds", "rows", "best_epoch", "best_weights")
# The columns of metrics.csv that decide which epoch is the best.
DECIDES = ("val/dice", "val/loss")


@dataclass
class State:
    """The state of a run after `step` steps of `epoch`, with the validated epochs before it in `rows`.

    The order of images and the augmentation of a step follow from the seed, the epoch and the step alone.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler
    average: WeightAverage | None
    losses: RunningLoss
    steps: StepFigures
    epoch: int = 1
    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    # What `sources.source_digests` and `metrics.metric_records` return.
    sources: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    # What `data.Index.record` returns of the data of all steps so far; None if a part of them is unknown.
    data: dict[str, Any] | None = None

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is validated and kept: the averaged one, if there is one."""
        return self.average.network if self.average else self.network

    def start_from(self, weights: dict[str, torch.Tensor]) -> None:
        """Give the network, and its average, the `weights` of a network of its kind, before the first step."""
        self.network.load_state_dict(weights)
        if self.average:
            self.average.network.load_state_dict(weights)

    @property
    def best_row(self) -> dict[str, Any]:
        """The row of the best epoch, empty before the first one is validated."""
        return next((row for row in self.rows if row["epoch"] == self.best_epoch), {})

    def end_epoch(self, row: dict[str, Any]) -> bool:
        """Add the row of the epoch that is over and begin the next; return whether its weights are the best so far."""
        best = self.best_row
        self.rows.append(row)
        self.epoch, self.step, self.seconds = self.epoch + 1, 0, 0.0
        self.losses = RunningLoss(self.losses.device, self.losses.world)
        if best and _merit(row) <= _merit(best):
            return False
        self.best_epoch = row["epoch"]
        # Copies on the CPU, to leave the GPU's memory to training.
        self.best_weights = {
            name: tensor.detach().to("cpu", copy=True) for name, tensor in self.evaluated_network.state_dict().items()
        }
        return True

    def use_best(self) -> nn.Module:
        """Return the evaluated network with the weights of its best epoch; training cannot go on after that."""
        self.evaluated_network.load_state_dict(self.best_weights)
        return self.evaluated_network

    def save(self, path: Path) -> None:
        """Write the state on rank 0, whole or not at all; a collective operation of all ranks."""
        parts = {name: part.state_dict() for name, part in {**self._parts(), "steps": self.steps}.items()}
        if self.losses.world.first:
            others = {"random": random_states(), "sources": self.sources, "metrics": self.metrics, "data": self.data}
            plain = {name: getattr(self, name) for name in PLAIN}
            save_state(path, {"layout": LAYOUT, "average": None, **parts, **others, **plain})

    def load(self, path: Path) -> bool:
        """Restore what `save` wrote; return whether there was a checkpoint.

        Raises InputError if the file is that of another run.
        """
        state = load_state(path, LAYOUT)
        if state is None:
            return False
        # Older checkpoints have no sources, and no data.
        check_sources(path, state.get("sources"), self.sources)
        check_same_data(path.parents[1], state.get("data"), self.data)
        self.data = state.get("data")
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            for name in PLAIN:
                setattr(self, name, state[name])
            # Older checkpoints have none.
            if "steps" in state:
                self.steps.load_state_dict(state["steps"])
            if self.rows and not self.best_row:
                raise ValueError(f"its best epoch, {self.best_epoch}, is none of its epochs")
            if self.rows and _signature(self.best_weights) != _signature(self.network.state_dict()):
                raise ValueError("the best weights are another network's")
            restore_random_states(state["random"])
            # Values of another metric of the same name cannot be compared with this one's.
            then = state.get("metrics", {})
            for name, record in self.metrics.items():
                if then.get(name) != record:
                    for row in self.rows:
                        row.pop(f"val/{name}", None)
        # A file that was tampered with can be wrong in any of its parts.
        except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise InputError(
                f"{path}: does not fit this run ({reason(error)}); existing=restart trains it from the beginning"
            ) from error
        return True

    def _parts(self) -> dict[str, Any]:
        parts = ("network", "optimizer", "scheduler", "scaler", "losses", *(["average"] if self.average else []))
        return {name: getattr(self, name) for name in parts}


def _merit(row: Mapping[str, Any]) -> tuple[float, float]:
    """Return what the best epoch has most of: validation Dice, and among equals less loss; the unknown counts least."""
    dice, loss = (value if isinstance(value := row.get(key), int | float) else math.nan for key in DECIDES)
    # What EPSILON adds where a network finds no pet says nothing of the network.
    return -math.inf if math.isnan(dice) else round(dice / EPSILON), -loss if math.isfinite(loss) else -math.inf


def _signature(weights: dict[str, torch.Tensor]) -> list[tuple[str, torch.Size, torch.dtype]]:
    return [(name, tensor.shape, tensor.dtype) for name, tensor in weights.items()]
