"""The loss of an epoch, summed on the device so that no step waits for the device."""

from typing import Any

import torch

from pets_seg.machine.world import World


class RunningLoss:
    """Sums over images of the objective and the cross-entropy; a NaN or infinity in any step stays in the sums.

    Each rank adds its share of a batch's means; the sums over the ranks are those of the batch. Images without a
    counted pixel are not in the means.
    """

    def __init__(self, device: torch.device, world: World) -> None:
        self.device, self.world = device, world
        self.sums = torch.zeros(2, device=device)
        self.images = 0
        self.counted = torch.zeros((), dtype=torch.int64, device=device)
        # On CUDA: a copy of the sums and the counted images on its way to the host, and the event that it has arrived.
        self.copy: tuple[torch.Tensor, torch.cuda.Event] | None = None
        self.last_look = 0.0

    def add(self, means: torch.Tensor, images: int, counted: torch.Tensor) -> None:
        """Add the objective and cross-entropy (2,) of a batch of `images`, or this rank's share of them.

        `counted`, int64 on the device, is how many of the images have a counted pixel.
        """
        self.sums += means.float() * counted
        self.images += images
        self.counted += counted

    def look(self) -> float:
        """Return the mean objective so far, of this rank's shares; on CUDA as of an earlier look, without waiting."""
        sums = torch.cat((self.sums, self.counted.float()[None]))
        if self.device.type != "cuda":
            return self._mean(sums)
        if self.copy and self.copy[1].query():
            self.last_look = self._mean(self.copy[0])
            self.copy = None
        if self.copy is None:
            host = torch.empty(3, pin_memory=True)
            host.copy_(sums, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self.copy = (host, event)
        return self.last_look

    def _mean(self, sums: torch.Tensor) -> float:
        objective, _, counted = sums.tolist()
        return objective * self.world.size / max(1.0, counted)

    def means(self) -> tuple[float, float]:
        """Return the means over the images of the epoch: objective, cross-entropy. Waits for the device."""
        loss, cross_entropy = (self.world.sum(self.sums.clone()) / max(1, int(self.counted))).tolist()
        return loss, cross_entropy

    def state_dict(self) -> dict[str, Any]:
        """Return the state, from which any number of ranks can continue; a collective operation."""
        sums_of_ranks = torch.zeros(self.world.size, 2, device=self.device)
        sums_of_ranks[self.world.rank] = self.sums
        return {"sums": self.world.sum(sums_of_ranks).cpu(), "images": self.images, "counted": int(self.counted)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        sums_of_ranks, size = state["sums"], self.world.size
        # With as many ranks as before each takes its own sum again, so that the total is rounded as before.
        sums = sums_of_ranks[self.world.rank] if len(sums_of_ranks) == size else sums_of_ranks.sum(0) / size
        self.sums = sums.to(self.device)
        self.images = state["images"]
        # Older checkpoints counted all images.
        self.counted.fill_(state.get("counted", self.images))
