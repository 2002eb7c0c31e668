"""Pixels: a pyramid of colour grids optimised by CLIP alone; abstract, painterly images without a generator.

The image is tanh of the sum of all grids, coarse to fine, each upsampled bilinearly. Adam optimises their colours with
the losses of guided diffusion. Coarse grids form large shapes in few steps, as in multi-resolution feature
visualisation (Olah et al. 2017). Only the perceptor needs weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import Model
from engine.guidance.cutouts import window_matrix
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import noise, to_image, to_signed, to_tensor, to_unit
from engine.methods._canvas import CanvasMethod
from engine.requests.request import DreamRequest

FACTORS = (16, 8, 4, 2, 1)
"""Side of the image over that of each grid."""
LARGEST_PIXEL = 4
"""Maximum side of the finished image over that of the finest grid."""
SPREAD = 0.1
"""Standard deviation of the initial parameters."""
RIM = 0.97
"""Largest absolute colour of an init image, so that atanh and its gradient stay finite."""


@dataclass(frozen=True, slots=True)
class Grids:
    """Layout of the parameters: colours of all grids, coarse to fine, each [3, h, w]."""

    height: int
    width: int

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.height, self.width

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Height and width of every grid."""
        return [(max(self.height // f, 1), max(self.width // f, 1)) for f in FACTORS]

    @property
    def sizes(self) -> list[int]:
        """Number of parameters of every grid."""
        return [3 * height * width for height, width in self.shapes]

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]."""
        total = torch.zeros((len(parameters), 3, *self.sides), device=parameters.device)
        for grid, (height, width) in zip(torch.split(parameters, self.sizes, dim=1), self.shapes, strict=True):
            total = total + _resized(grid.reshape(-1, 3, height, width), self.sides)
        return total.tanh()

    def rates(self) -> Tensor:
        """One learning rate for all parameters."""
        return torch.ones(1)

    def settle(self, parameters: Tensor) -> Tensor:
        """No limits, because tanh bounds the colours."""
        return parameters

    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → the image at the size of the finest grid."""
        return to_image(to_unit(self.paint(parameters[None])[0]))


class Pixels(CanvasMethod[Grids]):
    name = "pixels"

    def canvas(self, request: DreamRequest, model: Model) -> Grids:
        """Grids for an image that the model's upscaler finishes."""
        scale = min(model.scale, LARGEST_PIXEL)
        return Grids(request.height // scale, request.width // scale)

    def first(self, request: DreamRequest, canvas: Grids, images: Mapping[str, bytes], index: int) -> Tensor:
        """Random faint colours, or those of the init image."""
        if not request.init_image:
            return SPREAD * noise(request.seed, index, 0, "colours", (sum(canvas.sizes),))
        return _colours_of(open_own(images[request.init_image]), canvas, request.options.init_fit)


METHOD = Pixels()


def _resized(images: Tensor, sides: tuple[int, int]) -> Tensor:
    """Bilinear, antialiased resize as two matrix products: [N, 3, h, w] → [N, 3, H, W]."""
    rows, columns = (
        window_matrix(
            torch.zeros((), device=images.device), torch.tensor(float(source), device=images.device), source, target
        )
        for source, target in zip(images.shape[2:], sides, strict=True)
    )
    return rows @ images @ columns.T


def _colours_of(image: Image.Image, canvas: Grids, how: str) -> Tensor:
    """Laplacian pyramid of *image*, [P]: each grid holds the residual of the coarser ones."""
    picture = to_signed(to_tensor(fit(image, canvas.width, canvas.height, how)))[None]
    rest, grids = (RIM * picture).atanh(), list[Tensor]()
    for shape in canvas.shapes:
        grids.append(_resized(rest, shape))
        rest = rest - _resized(grids[-1], canvas.sides)
    return torch.cat([g.flatten() for g in grids])
