"""Elastic deformation by a coarse random grid, as the U-Net paper describes it."""

from typing import Any

import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationBase2D
from kornia.constants import Resample


class RandomGridElastic(AugmentationBase2D):
    """Shift the nodes of a coarse grid at random and everything between them smoothly (bicubic).

    `cells` is the number of grid cells along a side; `displacement` the standard deviation of a node's shift as a
    share of the side, so that an image deforms alike at every resolution. Beyond the border the image is reflected.
    The image is resampled as `resample` says, the mask (B,1,H,W) to the nearest pixel. Ronneberger et al. 2015,
    section 3.1, has a 3 x 3 grid and 10 of 512 pixels.
    """

    def __init__(
        self,
        cells: int = 4,
        displacement: float = 0.03,
        resample: str = Resample.BICUBIC.name,
        p: float = 0.5,
        keepdim: bool = False,
    ) -> None:
        super().__init__(p=p, p_batch=1.0, same_on_batch=False, keepdim=keepdim)
        self.cells = cells
        self.displacement = displacement
        self.flags = {"resample": Resample.get(resample)}

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Draw the shifts (B,2,cells+1,cells+1) of the nodes in grid_sample's units, where the side is 2."""
        nodes = self.cells + 1
        shifts = torch.randn(shape[0], 2, nodes, nodes, device=self.device, dtype=self.dtype)
        return {"shifts": shifts * (2 * self.displacement)}

    def apply_transform(
        self,
        input: torch.Tensor,
        params: dict[str, torch.Tensor],
        flags: dict[str, Any],
        transform: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the deformed image, its values kept in their range (bicubic resampling overshoots)."""
        mode = flags["resample"].name.lower()
        out = F.grid_sample(input, _grid(input, params["shifts"]), mode, "reflection", align_corners=False)
        return out.clamp(input.min(), input.max()) if mode == "bicubic" else out

    def apply_transform_mask(
        self,
        input: torch.Tensor,
        params: dict[str, torch.Tensor],
        flags: dict[str, Any],
        transform: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the mask deformed as the image was."""
        return F.grid_sample(input, _grid(input, params["shifts"]), "nearest", "reflection", align_corners=False)

    def apply_non_transform_mask(
        self,
        input: torch.Tensor,
        params: dict[str, torch.Tensor],
        flags: dict[str, Any],
        transform: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the mask of an image that was not drawn."""
        return input


def _grid(image: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    count, _, height, width = image.shape
    fine = F.interpolate(shifts.to(image), size=(height, width), mode="bicubic", align_corners=True)
    still = torch.eye(2, 3, device=image.device, dtype=image.dtype).expand(count, 2, 3)
    return F.affine_grid(still, [count, 1, height, width], align_corners=False) + fine.permute(0, 2, 3, 1)
