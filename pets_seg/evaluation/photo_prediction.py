"""What a network says of a photograph, and the pictures that show it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

# Above it a pixel is pet.
THRESHOLD = 0.5
# Probabilities between which the cut-out becomes opaque; their middle is THRESHOLD, so that the mask is where it is
# more opaque than not.
CLEAR, OPAQUE = 0.25, 0.75
# What is laid over the pet, and its outline.
TINT, LINE, STRENGTH = (25, 200, 255), (255, 255, 255), 0.45


@dataclass(frozen=True, eq=False)
class Prediction:
    """`photo` (RGB) and its `probabilities` of pet, (H,W) float32 between 0 and 1, at the size of the photograph."""

    photo: Image.Image
    probabilities: np.ndarray

    @cached_property
    def mask(self) -> np.ndarray:
        """(H,W) bool: where the probability of pet is above one half."""
        return self.probabilities > THRESHOLD

    @property
    def share(self) -> float:
        """The share of the pixels that are pet."""
        return float(self.mask.mean())

    @property
    def confidence(self) -> float:
        """The mean over pixels of the probability of what was chosen, between 0.5 and 1."""
        return 0.5 + float(np.abs(self.probabilities - THRESHOLD).mean())

    def mask_picture(self) -> Image.Image:
        """Return the mask as a grey picture: 255 is pet."""
        return Image.fromarray(self.mask.view(np.uint8) * np.uint8(255))

    def cutout(self) -> Image.Image:
        """Return the photograph with a background that is transparent; its edge is soft, as the probabilities are."""
        alpha = (self.probabilities - CLEAR) * (255 / (OPAQUE - CLEAR))
        picture = self.photo.copy()
        picture.putalpha(Image.fromarray(np.rint(alpha).clip(0, 255).astype(np.uint8)))
        return picture

    def overlay(self) -> Image.Image:
        """Return the photograph with the pet tinted and outlined."""
        keep = 1 - STRENGTH
        tinted = self.photo.point([round(keep * value + STRENGTH * tint) for tint in TINT for value in range(256)])
        shown = self.photo.copy()
        shown.paste(tinted, mask=self.mask_picture())
        # An outline that is seen when the picture fills a window.
        edge = self.mask & ~_eroded(self.mask, max(1, round(max(self.photo.size) / 500)))
        shown.paste(LINE, mask=Image.fromarray(edge))
        return shown


def _eroded(mask: np.ndarray, reach: int) -> np.ndarray:
    """Return where all pixels of a mask (H,W) within `reach` rows and columns are true."""
    window = 2 * reach + 1
    for axis in (0, 1):
        # Whatever lies outside is true.
        found = np.pad(np.moveaxis(mask, axis, 0), ((reach, reach), (0, 0)), constant_values=True)
        # Each pass doubles how many rows from its own on a pixel stands for: outlines of large photographs are wide.
        seen = 1
        while seen < window:
            step = min(seen, window - seen)
            found = found[:-step] & found[step:]
            seen += step
        mask = np.moveaxis(found, 0, axis)
    return mask


def stretched(probabilities: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return probabilities (S,S) float32 at a size (width, height) in pixels, as (H,W) float32; bilinear."""
    picture = Image.fromarray(probabilities)
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
