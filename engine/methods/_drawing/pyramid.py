"""A picture as the sum of grids from coarse to fine, so that Adam moves large shapes in few steps.

Multi-resolution feature visualisation (Olah et al. 2017) without Fourier transforms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from engine.guidance.cutouts import window_matrix

FACTORS = (16, 8, 4, 2, 1)
"""Side of the picture divided by the side of each grid."""


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Layout of the parameters: numbers of all grids, coarse to fine, each [3, h, w]."""

    height: int
    width: int

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Height and width of every grid."""
        return [(max(self.height // f, 1), max(self.width // f, 1)) for f in FACTORS]

    @property
    def sizes(self) -> list[int]:
        """Number of parameters of every grid."""
        return [3 * height * width for height, width in self.shapes]

    def summed(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, height, width]; grids are upsampled bilinearly."""
        total = torch.zeros((len(parameters), 3, self.height, self.width), device=parameters.device)
        for grid, (height, width) in zip(torch.split(parameters, self.sizes, dim=1), self.shapes, strict=True):
            total = total + self._resized(grid.reshape(-1, 3, height, width), (self.height, self.width))
        return total

    def of(self, picture: Tensor) -> Tensor:
        """[3, height, width] → [P], whose grids sum to the picture: each holds the residual of the coarser ones."""
        rest, grids = picture[None], list[Tensor]()
        for shape in self.shapes:
            grids.append(self._resized(rest, shape))
            rest = rest - self._resized(grids[-1], (self.height, self.width))
        return torch.cat([g.flatten() for g in grids])

    def _resized(self, images: Tensor, sides: tuple[int, int]) -> Tensor:
        """Bilinear, antialiased resize as two matrix products: [N, 3, h, w] → [N, 3, H, W]."""
        rows, columns = (
            _resizing(source, target, images.device) for source, target in zip(images.shape[2:], sides, strict=True)
        )
        return rows @ images @ columns.T


@lru_cache(maxsize=32)
def _resizing(source: int, target: int, device: torch.device) -> Tensor:
    """[target, source], cached, because every step uses the same matrices."""
    return window_matrix(torch.zeros((), device=device), torch.tensor(float(source), device=device), source, target)
