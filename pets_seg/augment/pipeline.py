"""The augmentation of a batch: every step draws the images that it transforms."""

from collections.abc import Sequence
from typing import Any

import torch

from pets_seg.augment.operations import build_steps


class Augment:
    """The operations of an `aug` option, one after the other, each applied to an image with its probability `p`.

    Image and mask get the same random parameters; the image is resampled as the operation says, the mask to the
    nearest pixel. The seed given with a batch alone determines the random numbers; torch's generators keep their state.
    `keep_original` keeps the batch and adds an augmented copy of every image that a step has drawn.
    """

    def __init__(self, operations: Sequence[Any], keep_original: bool = False) -> None:
        self.steps = build_steps(operations)
        self.keep_original = keep_original
        # Where operations draw noise.
        self.noise_device = torch.device("cpu")

    @torch.no_grad()
    def __call__(self, image: torch.Tensor, mask: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment image (B,3,H,W) float in [0, 1] and mask (B,H,W) in place; return them, copies after the batch."""
        # Kornia draws on the CPU what it decides by; noise, and what a user's operation draws, may be of the device.
        cuda = [image.device] if image.device.type == "cuda" else []
        with torch.random.fork_rng(cuda, device_type="cuda"):
            if cuda and image.device != self.noise_device:
                self._draw_noise_on(image.device, image.shape[1:])
            torch.default_generator.manual_seed(seed)
            if cuda:
                torch.cuda.manual_seed(seed)
            choices = [step.draw(len(image)) for step in self.steps]
            if not self.keep_original:
                self._transform(image, mask, choices)
                return image, mask
            drawn = sum((choice >= 0 for choice in choices), torch.zeros(len(image), dtype=torch.bool))
            rows = drawn.nonzero().squeeze(1)
            on_device = rows.to(image.device, non_blocking=True)
            new_image, new_mask = image[on_device], mask[on_device]
            self._transform(new_image, new_mask, [choice[rows] for choice in choices])
            return torch.cat((image, new_image)), torch.cat((mask, new_mask))

    def _draw_noise_on(self, device: torch.device, shape: torch.Size) -> None:
        """Let the operations that draw a number for every pixel of an image (3,H,W) draw them on its device.

        From the host so many would be copied in every step, and the host would wait for the device.
        """
        self.noise_device = device
        operation: Any
        for step in self.steps:
            for member in step.members:
                [operation] = member.children()
                drawn = operation.forward_parameters((1, *shape)).values()
                if any(numbers.numel() >= shape[-2:].numel() for numbers in drawn):
                    operation.set_rng_device_and_dtype(device, torch.float32)

    def _transform(self, image: torch.Tensor, mask: torch.Tensor, choices: list[torch.Tensor]) -> None:
        for step, choice in zip(self.steps, choices, strict=True):
            for index, operation in enumerate(step.members):
                drawn = (choice == index).nonzero().squeeze(1)
                if len(drawn) == 0:
                    continue
                if len(drawn) == len(image):
                    new_image, new_mask = operation(image, mask.unsqueeze(1).float())
                    image.copy_(new_image.clamp_(0, 1))
                    mask.copy_(new_mask.squeeze(1))
                    continue
                rows = drawn.to(image.device, non_blocking=True)
                some_masks = mask.index_select(0, rows).unsqueeze(1).float()
                new_image, new_mask = operation(image.index_select(0, rows), some_masks)
                image.index_copy_(0, rows, new_image.clamp_(0, 1))
                mask.index_copy_(0, rows, new_mask.squeeze(1).to(mask.dtype))
