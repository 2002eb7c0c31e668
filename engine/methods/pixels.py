"""Pixels: a pyramid of colour grids painted by CLIP alone; no generator, the look of an abstract painter.

The picture is tanh of a sum of grids, from coarse to fine, each enlarged smoothly; Adam moves their colours against the
same losses that guide diffusion. Coarse grids make large forms cheap, as in multi-resolution "feature visualisation"
(Olah et al. 2017); nothing but the perceptor needs weights.
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
"""How much smaller than the picture the grids are."""
LARGEST_PIXEL = 4
"""The grids' picture is at most this many times smaller than the finished one: no net ties it to a size."""
SPREAD = 0.1
"""Of the colours that painting starts with."""
RIM = 0.97
"""An init picture's colours are drawn in to this, where tanh can still be inverted and moved."""


@dataclass(frozen=True, slots=True)
class Grids:
    """The parameters are the colours of all grids, coarse to fine, each [3, h, w]."""

    height: int
    width: int

    @property
    def sides(self) -> tuple[int, int]:
        """Of the picture."""
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
        """All alike."""
        return torch.ones(1)

    def settle(self, parameters: Tensor) -> Tensor:
        """tanh takes whatever comes."""
        return parameters

    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → a picture of the grids' size."""
        return to_image(to_unit(self.paint(parameters[None])[0]))


class Pixels(CanvasMethod[Grids]):
    """The method; see the module's docstring."""

    name = "pixels"

    def canvas(self, request: DreamRequest, model: Model) -> Grids:
        """Grids for a picture that the model's finish enlarges."""
        scale = min(model.scale, LARGEST_PIXEL)
        return Grids(request.height // scale, request.width // scale)

    def first(self, request: DreamRequest, canvas: Grids, images: Mapping[str, bytes], index: int) -> Tensor:
        """Faint colours, or the init picture's."""
        if not request.init_image:
            return SPREAD * noise(request.seed, index, 0, "colours", (sum(canvas.sizes),))
        return _colours_of(open_own(images[request.init_image]), canvas, request.options.init_fit)


METHOD = Pixels()


def _resized(images: Tensor, sides: tuple[int, int]) -> Tensor:
    """Bilinear and antialiased, as two matrix products: [N, 3, h, w] → [N, 3, H, W]."""
    rows, columns = (
        window_matrix(
            torch.zeros((), device=images.device), torch.tensor(float(source), device=images.device), source, target
        )
        for source, target in zip(images.shape[2:], sides, strict=True)
    )
    return rows @ images @ columns.T


def _colours_of(image: Image.Image, canvas: Grids, how: str) -> Tensor:
    """A picture as grids: each holds what the coarser ones miss. [P]."""
    picture = to_signed(to_tensor(fit(image, canvas.width, canvas.height, how)))[None]
    rest, grids = (RIM * picture).atanh(), list[Tensor]()
    for shape in canvas.shapes:
        grids.append(_resized(rest, shape))
        rest = rest - _resized(grids[-1], canvas.sides)
    return torch.cat([g.flatten() for g in grids])
