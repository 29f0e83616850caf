"""The loss of an epoch, summed on the device so that no step waits for it."""

import torch


class RunningLoss:
    """Sums of the objective and of the cross-entropy over images; a NaN or infinity in any step stays in the sums."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(2, device=device)
        self.images = 0
        self.on_cuda = device.type == "cuda"
        self.copied: tuple[torch.Tensor, int, torch.cuda.Event] | None = None
        self.seen = 0.0

    def add(self, loss: torch.Tensor, entropy: torch.Tensor, images: int) -> None:
        """Add the means of a batch of `images`."""
        self.sums += torch.stack((loss.detach(), entropy.detach())).float() * images
        self.images += images

    def look(self) -> float:
        """Return the mean objective so far; on CUDA, as of an earlier look whose copy has arrived by now."""
        if not self.on_cuda:
            return self.sums[0].item() / self.images
        if self.copied and self.copied[2].query():
            sums, images, _ = self.copied
            self.seen = sums[0].item() / images
            self.copied = None
        if self.copied is None:
            host = torch.empty(2, pin_memory=True)
            host.copy_(self.sums, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
            self.copied = (host, self.images, event)
        return self.seen

    def means(self) -> tuple[float, float]:
        """Return the means over the images of the epoch: objective, cross-entropy. Waits for the device."""
        loss, entropy = (self.sums / self.images).tolist()
        return loss, entropy
