"""Elastic deformation by a coarse random grid, as the U-Net paper describes it."""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from kornia.augmentation import AugmentationBase2D
from kornia.constants import Resample
from torch import Tensor


class RandomGridElastic(AugmentationBase2D):
    """Shift the nodes of a coarse grid at random and everything between them smoothly (bicubic).

    `cells` is the number of grid cells along a side; `displacement` the standard deviation of a node's shift as a
    share of the side, so that the deformation does not depend on the resolution. Ronneberger et al. 2015, section 3.1,
    have a 3 x 3 grid and 10 of 512 pixels. Beyond the border the image is reflected. The image (B,C,H,W) float is
    resampled as `resample` says, the mask (B,1,H,W) to the nearest pixel; bicubic resampling can exceed the range.
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
        if not 1 <= cells <= 256:
            raise ValueError(f"cells={cells}: must be from 1 to 256")
        if not 0 <= displacement <= 0.5:
            raise ValueError(f"displacement={displacement}: must be a share of the side, from 0 to 0.5")
        self.cells = cells
        self.displacement = displacement
        self.flags = {"resample": Resample.get(resample)}
        # The last grid, and what it was made for: shape, device and dtype, and the shifts.
        self._key: tuple[Any, ...] = ()
        self._shifts = self._grid = torch.empty(0)

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Draw the shifts (B,2,cells+1,cells+1) of the nodes in grid_sample's units, where the side is 2."""
        nodes = self.cells + 1
        shifts = torch.randn(shape[0], 2, nodes, nodes, device=self.device, dtype=self.dtype)
        return {"shifts": shifts * (2 * self.displacement)}

    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        """Return the deformed image."""
        return self._warp(input, params["shifts"], flags["resample"].name.lower())

    def apply_transform_mask(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        """Return the mask deformed as the image was."""
        return self._warp(input, params["shifts"], "nearest")

    def apply_non_transform_mask(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        """Return the mask of an image that was not drawn."""
        return input

    def _warp(self, input: Tensor, shifts: Tensor, mode: str) -> Tensor:
        # The mask follows its image with the same shifts, which Kornia has copied in between.
        key = (input.shape[-2:], input.device, input.dtype)
        if key != self._key or not torch.equal(shifts, self._shifts):
            self._key, self._shifts, self._grid = key, shifts, _grid(input, shifts)
        # The grid is reflected already, once a pixel; grid_sample would do it for each of the 16 that bicubic reads.
        return F.grid_sample(input, self._grid, mode, "border", align_corners=False)


def _grid(image: Tensor, shifts: Tensor) -> Tensor:
    """Return where every pixel is sampled, (B,H,W,2): its position plus the interpolated shift, reflected."""
    count, _, nodes, _ = shifts.shape
    height, width = image.shape[-2:]
    along_y, along_x, positions = _bases(nodes, height, width, image.device, image.dtype)
    # Bicubic interpolation is linear and separable: two matrix products are several times faster than F.interpolate,
    # and the second leaves x and y of a pixel side by side, as grid_sample reads them.
    rows = along_y @ shifts.to(image.device, image.dtype, non_blocking=True)
    rows = rows.permute(0, 2, 3, 1).reshape(count * height, 2 * nodes)
    grid = (rows @ along_x).view(count, height, width, 2).add_(positions)
    # Reflection: a position beyond an edge is moved as far inside it.
    return grid.clamp(-1, 1).mul_(2).sub_(grid)


@lru_cache(maxsize=4)
def _bases(
    nodes: int, height: int, width: int, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights of the nodes along y (H,N), along x for both coordinates (2N,2W), and pixel positions."""

    def weights(length: int) -> Tensor:
        ones = torch.eye(nodes, device=device, dtype=dtype).view(nodes, 1, nodes, 1)
        return F.interpolate(ones, size=(length, 1), mode="bicubic", align_corners=True).view(nodes, length)

    both = torch.eye(2, device=device, dtype=dtype)
    along_x = torch.einsum("nw,cd->ncwd", weights(width), both).reshape(2 * nodes, 2 * width)
    axes = [(torch.arange(side, device=device, dtype=dtype) * 2 + 1) / side - 1 for side in (width, height)]
    return weights(height).T.contiguous(), along_x, torch.stack(torch.meshgrid(*axes, indexing="xy"), dim=-1)
