"""The loss of an epoch, summed on the device so that no step waits for it."""

from typing import Any

import torch

from pets_seg.machine.world import World


class RunningLoss:
    """Sums of the objective and of the cross-entropy over images; a NaN or infinity in any step stays in the sums.

    Each process adds its share of a batch's means; the sums over the processes are those of the batch.
    """

    def __init__(self, device: torch.device, world: World) -> None:
        self.world = world
        self.sums = torch.zeros(2, device=device)
        self.images = 0
        self.on_cuda = device.type == "cuda"
        self.copied: tuple[torch.Tensor, int, torch.cuda.Event] | None = None
        self.seen = 0.0

    def add(self, loss: torch.Tensor, cross_entropy: torch.Tensor, images: int) -> None:
        """Add the means of a batch of `images`, or this process's share of them."""
        self.sums += torch.stack((loss.detach(), cross_entropy.detach())).float() * images
        self.images += images

    def look(self) -> float:
        """Return the mean objective so far, of this process's shares; on CUDA as of a look whose copy has arrived."""
        if not self.on_cuda:
            return self._mean(self.sums, self.images)
        if self.copied and self.copied[2].query():
            sums, images, _ = self.copied
            self.seen = self._mean(sums, images)
            self.copied = None
        if self.copied is None:
            host = torch.empty(2, pin_memory=True)
            host.copy_(self.sums, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self.copied = (host, self.images, event)
        return self.seen

    def _mean(self, sums: torch.Tensor, images: int) -> float:
        return sums[0].item() * self.world.size / images

    def means(self) -> tuple[float, float]:
        """Return the means over the images of the epoch: objective, cross-entropy. Waits for the device."""
        loss, cross_entropy = (self.world.sum(self.sums.clone()) / self.images).tolist()
        return loss, cross_entropy

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to go on, in any number of processes."""
        each = torch.zeros(self.world.size, 2, device=self.sums.device)
        each[self.world.rank] = self.sums
        return {"sums": self.world.sum(each).cpu(), "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        each, size = state["sums"], self.world.size
        # In as many processes as before each has its own sum again, and the total the same rounding.
        own = each[self.world.rank] if len(each) == size else each.sum(0) / size
        self.sums = own.to(self.sums.device)
        self.images = state["images"]
