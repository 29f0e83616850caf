"""Loss and learning rate of single steps, kept on the device until the epoch is over, so that no step waits for it."""

from typing import Any

import torch

from pets_seg.machine.world import World

COLUMNS = 4


class StepFigures:
    """What is kept of every `every`th step of a run; 0 keeps nothing.

    `kept`, float64 (N,4) on the host, has step, learning rate, objective and cross-entropy of steps up to the last
    `collect`. Each rank adds its share of a batch's means, and the sums over the ranks are those of the batch.
    """

    def __init__(self, every: int, world: World) -> None:
        self.every, self.world = every, world
        self.kept = torch.zeros(0, COLUMNS, dtype=torch.float64)
        self.steps: list[tuple[int, float | torch.Tensor]] = []
        self.means: list[torch.Tensor] = []

    def add(self, step: int, lr: float | torch.Tensor, means: torch.Tensor) -> None:
        """Keep the learning rate of a step, counted from 1, and its objective and cross-entropy (2,) on the device."""
        if self.every and step % self.every == 0:
            self.steps.append((step, lr))
            self.means.append(means)

    def collect(self) -> None:
        """Bring what was added to the host, which waits for the device; a collective operation."""
        if self.means:
            means = self.world.sum(torch.stack(self.means).float()).cpu().double()
            steps = torch.tensor([step for step, _ in self.steps], dtype=torch.float64)
            added = torch.cat((torch.stack((steps, _on_host([lr for _, lr in self.steps])), dim=1), means), dim=1)
            self.kept = torch.cat((self.kept, added))
            self.steps, self.means = [], []

    def beyond(self, step: int) -> list[list[float]]:
        """Return the rows of `kept` after a step."""
        first = int(torch.searchsorted(self.kept[:, 0].contiguous(), float(step), right=True))
        return self.kept[first:].tolist()

    def state_dict(self) -> dict[str, Any]:
        """Return the state; a collective operation."""
        self.collect()
        return {"kept": self.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; ValueError if it cannot have."""
        kept = state["kept"]
        if kept.dtype != torch.float64 or kept.ndim != 2 or kept.shape[1] != COLUMNS:
            raise ValueError("the figures of its steps are no table")
        if not (kept[:, 0].diff() > 0).all():
            raise ValueError("its steps are not in order")
        self.kept = kept


def _on_host(rates: list[float | torch.Tensor]) -> torch.Tensor:
    """Return learning rates as float64; those of an optimizer that has them on the device come in one copy."""
    tensors = [rate for rate in rates if isinstance(rate, torch.Tensor)]
    if len(tensors) == len(rates):
        return torch.stack(tensors).flatten().cpu().double()
    return torch.tensor([float(rate) for rate in rates], dtype=torch.float64)
