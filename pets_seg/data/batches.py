"""Batches on the device, without loader processes, in an order that is a function of (seed, epoch) alone."""

import torch

from pets_seg.config.schema import IGNORED
from pets_seg.data.cache import Split, look_up
from pets_seg.machine.seeding import derive_seed

BOUNDARY = {"background": 0, "foreground": 1, "ignore": IGNORED}
# Share of the free memory of a CUDA device that the pixels of a split may take.
RESIDENT_SHARE = 0.3
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def mask_of_trimap(boundary: str) -> torch.Tensor:
    """Return the table (4,) uint8 from trimap values to mask values; trimap 0 is not counted, 3 is the boundary."""
    return torch.tensor([IGNORED, 1, 0, BOUNDARY[boundary]], dtype=torch.uint8)


class Normalise:
    """Image in [0, 1] to network input: ImageNet's mean and standard deviation, or raw 0 to 255."""

    def __init__(
        self, kind: str, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format
    ) -> None:
        self.raw = kind == "raw"
        self.memory_format = memory_format
        mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        # A product and a sum need one pass over the pixels, a difference and a quotient two.
        self.factor, self.shift = 1 / std, -mean / std

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return a (B,3,H,W) float image, normalised, in the memory format of the network."""
        out = torch.empty_like(image, memory_format=self.memory_format)
        if self.raw:
            return torch.mul(image, 255, out=out)
        return torch.addcmul(self.shift, image, self.factor, out=out)


class Batches:
    """Takes batches out of a split; its pixels are on the device if they fit there, otherwise in host memory."""

    def __init__(self, split: Split, device: torch.device, boundary: str) -> None:
        self.device = device
        self.rows = split.rows
        self.images, self.levels = split.images, split.levels
        # The mask value of each level of each row.
        self.mask_of = mask_of_trimap(boundary)[split.trimap_of.int()]
        self.resident = device.type != "cpu" and _fits(split, device)
        if self.resident:
            self.images, self.levels, self.mask_of = (
                array.index_select(0, self.rows).to(device) for array in (self.images, self.levels, self.mask_of)
            )
            self.rows = torch.arange(len(split), device=device)
        self.mask_of = self.mask_of.to(device)
        # CUDA multiplies by the reciprocal of a plain number, and would round otherwise than the CPU.
        self.white = torch.tensor(255.0, device=device)

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image (B,3,S,S) float in [0, 1] and mask (B,S,S) uint8 with 0, 1 and 255, on the device."""
        rows = self.rows[indices.to(self.rows.device, non_blocking=True)]
        image, levels = (self._to_device(array.index_select(0, rows)) for array in (self.images, self.levels))
        mask = look_up(self.mask_of, self._to_device(rows), levels)
        return image.float().div_(self.white), mask

    def _to_device(self, array: torch.Tensor) -> torch.Tensor:
        if self.resident or self.device.type == "cpu":
            return array
        if self.device.type == "cuda":
            array = array.pin_memory()
        return array.to(self.device, non_blocking=True)


def _fits(split: Split, device: torch.device) -> bool:
    # A pixel is three bytes of the image and one of the mask.
    needed = len(split) * 4 * split.images.shape[-1] ** 2
    if device.type != "cuda":
        return True
    # What PyTorch keeps for later tensors is taken to the driver, and free to us.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return needed < RESIDENT_SHARE * (torch.cuda.mem_get_info(device)[0] + kept)


def epoch_batches(count: int, batch_size: int, seed: int, epoch: int) -> list[torch.Tensor]:
    """Return the indices of every batch of an epoch: all images once, in an order set by (seed, epoch)."""
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch))
    return cut(torch.randperm(count, generator=generator), batch_size)


def cut(order: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Cut indices into parts of `size`; a single left-over image joins the part before it."""
    parts = list(order.split(size))
    # Batch norm cannot train on one value a channel.
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
