"""SIREN: a small network of sine waves that CLIP trains to be the picture; soft shapes, sharp at any size.

Sitzmann et al. 2020 (arXiv 2006.09661), steered by CLIP as in Deep Daze (Ryan Murdock and Phil Wang, 2021). The network
maps a place to a colour. CLIP sees a small rendering; the final one is rendered at full size, without an upscaler.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import Model
from engine.images.tensors import before_tanh, to_image, to_unit, uniform
from engine.methods._drawing.canvas import CanvasMethod
from engine.methods._shared import signed_image
from engine.requests.request import DreamRequest, SirenOptions

HIDDEN_FREQUENCY = 30.0
"""Of the hidden layers, as in the paper."""
FITTING_STEPS, FITTING_RATE = 300, 2e-3
"""Steps of Adam that fit the network to an init image; Deep Daze takes 50 of 3e-4 for a larger network."""
AT_ONCE = 1 << 16
"""Pixels that are rendered at once without gradients."""


@dataclass(frozen=True, slots=True)
class Waves:
    """Layout of the parameters: weights and biases of each layer, first to last."""

    height: int
    width: int
    """Size in pixels of the picture that CLIP sees."""
    full_height: int
    full_width: int
    """Size in pixels of the final picture."""
    layers: int
    neurons: int
    frequency: float

    @property
    def sizes(self) -> list[int]:
        """Neurons of every layer: place, hidden layers, colour."""
        return [2, *[self.neurons] * self.layers, 3]

    @property
    def count(self) -> int:
        return sum(after * (before + 1) for before, after in pairwise(self.sizes))

    def colours(self, parameters: Tensor, places: Tensor) -> Tensor:
        """[N, P] and places [L, 2] in [-1, 1] → colours before tanh, [N, L, 3]."""
        x, at = places[None].expand(len(parameters), -1, -1), 0
        for number, (before, after) in enumerate(pairwise(self.sizes)):
            weight = parameters[:, at : at + after * before].reshape(-1, after, before)
            bias = parameters[:, at + after * before : at + after * (before + 1)]
            at += after * (before + 1)
            x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
            if number < self.layers:
                x = torch.sin((HIDDEN_FREQUENCY if number else self.frequency) * x)
        return x

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]."""
        places = _places(self.height, self.width).to(parameters)
        return self.colours(parameters, places).tanh().transpose(1, 2).reshape(-1, 3, self.height, self.width)

    def rates(self) -> Tensor:
        return torch.ones(1)

    def settle(self, parameters: Tensor) -> Tensor:
        return parameters

    @torch.no_grad()
    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → the picture at full size."""
        bands = torch.split(_places(self.full_height, self.full_width).to(parameters), AT_ONCE)
        colours = torch.cat([self.colours(parameters[None], band)[0] for band in bands]).tanh()
        return to_image(to_unit(colours.T.reshape(3, self.full_height, self.full_width)))

    def initial(self, draws: Tensor) -> Tensor:
        """[P] numbers in [0, 1) → weights that keep the spread of the waves from layer to layer (the paper's § 3.2)."""
        parts, at = [], 0
        for number, (before, after) in enumerate(pairwise(self.sizes)):
            reach = math.sqrt(6 / before) / HIDDEN_FREQUENCY if number else 1 / before
            parts.append(reach * (2 * draws[at : at + after * (before + 1)] - 1))
            at += after * (before + 1)
        return torch.cat(parts)


class Siren(CanvasMethod[Waves]):
    name = "siren"

    def canvas(self, request: DreamRequest, model: Model) -> Waves:
        """CLIP sees the picture at the size that the model paints."""
        options = request.options
        assert isinstance(options, SirenOptions)
        return Waves(
            request.height // model.scale,
            request.width // model.scale,
            request.height,
            request.width,
            options.layers,
            options.width,
            options.frequency,
        )

    def first(self, request: DreamRequest, canvas: Waves, images: Mapping[str, bytes], index: int) -> Tensor:
        """Random waves, or waves that were fitted to the init image."""
        waves = canvas.initial(uniform(request.seed, index, 0, "waves", (canvas.count,)))
        init = signed_image(request.init_image, images, (canvas.height, canvas.width), request.options.init_fit)
        return waves if init is None else _fitted(waves, init, canvas)


METHOD = Siren()


@torch.enable_grad()
def _fitted(parameters: Tensor, picture: Tensor, canvas: Waves) -> Tensor:
    """[P] → the parameters of *canvas* after Adam has brought its picture near to *picture*, [3, H, W] in [-1, 1]."""
    places = _places(canvas.height, canvas.width)
    wanted = before_tanh(picture).flatten(1).T[None]
    found = parameters[None].clone().requires_grad_()
    adam = torch.optim.Adam([found], lr=FITTING_RATE)
    for _ in range(FITTING_STEPS):
        loss = (canvas.colours(found, places) - wanted).square().mean()
        (found.grad,) = torch.autograd.grad(loss, found)
        adam.step()
    return found.detach()[0]


def _places(height: int, width: int) -> Tensor:
    """x and y of the pixel centres, row by row, the longer side from -1 to 1: [H * W, 2]."""
    longer = max(height, width)
    y, x = torch.meshgrid(
        (2 * torch.arange(height) + 1 - height) / longer, (2 * torch.arange(width) + 1 - width) / longer, indexing="ij"
    )
    return torch.stack([x, y], dim=-1).reshape(-1, 2)
