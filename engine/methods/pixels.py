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
from engine.images.tensors import before_tanh, noise, to_image, to_unit
from engine.methods._drawing.canvas import CanvasMethod, Pyramid
from engine.methods._shared import signed_image
from engine.requests.request import DreamRequest

LARGEST_PIXEL = 4
"""Maximum side of the finished image over that of the finest grid."""
SPREAD = 0.1
"""Standard deviation of the initial parameters."""


@dataclass(frozen=True, slots=True)
class Grids:
    """The parameters are those of a `Pyramid`."""

    height: int
    width: int

    @property
    def pyramid(self) -> Pyramid:
        return Pyramid(self.height, self.width)

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]."""
        return self.pyramid.summed(parameters).tanh()

    def rates(self) -> Tensor:
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
        init = signed_image(request.init_image, images, (canvas.height, canvas.width), request.options.init_fit)
        if init is None:
            return SPREAD * noise(request.seed, index, 0, "colours", (sum(canvas.pyramid.sizes),))
        return canvas.pyramid.of(before_tanh(init))


METHOD = Pixels()
