"""VQGAN+CLIP: a grid of codes that CLIP moves until their picture fits the words; the look of 2021.

Crowson et al. 2022 (arXiv 2204.08583), and the notebooks of 2021 before it. Each place of the grid takes the nearest
vector of a codebook, the VQGAN's decoder makes a picture of them, CLIP looks at views of it, and Adam moves the grid
against the gradient of the spherical distance from the prompts. Three things differ from the notebooks: the seed fixes
the start as well, holding on to an init picture measures from that picture, and views are not turned or bent, because
what does that has no deterministic gradient on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.catalogue.models import Model
from engine.images.tensors import noise, to_signed, uniform
from engine.loaders.vqgan import VqganNet, load_vqgan_net
from engine.methods._generator import Beginning, ByGenerator, Start
from engine.methods._vqgan_state import Grid, hold, moved
from engine.requests.options.vqgan_clip import VqganClipOptions
from engine.runtime.provider import NetProvider


class VqganClip(ByGenerator[Grid, VqganNet]):
    """The method; see the module's docstring."""

    name = "vqgan_clip"
    state = Grid

    def net(self, model: Model, runtime: NetProvider) -> VqganNet:
        """Encoder, codebook, decoder."""
        return load_vqgan_net(model.name, runtime)

    def starts(self, net: VqganNet, beginning: Beginning) -> Iterator[Start]:
        """Random codes, or those of the init picture, to which a picture may hold on."""
        init = beginning.init
        held = None if init is None else net.of_picture(init[None])[0]
        for index in range(beginning.request.count):
            yield Start(_first(net, beginning, index) if held is None else held, held)

    def paint(self, net: VqganNet, batch: Sequence[Grid], numbers: Tensor) -> Tensor:
        """The picture of the vectors nearest to z."""
        return net.paint(numbers)

    def own_gradient(self, batch: Sequence[Grid]) -> Tensor:
        """Back to the init picture's codes."""
        return hold(batch)

    def moved(self, net: VqganNet, batch: Sequence[Grid], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam, within the bounds of the codebook."""
        z, mean, square = moved(batch, gradient)
        return {"numbers": z.clamp(*net.bounds), "mean": mean, "square": square}


METHOD = VqganClip()


def _first(net: VqganNet, beginning: Beginning, index: int) -> Tensor:
    """Where picture *index* begins without an init picture: [D, h, w]."""
    request, (height, width), device = beginning.request, beginning.sides, beginning.runtime.device
    assert isinstance(request.options, VqganClipOptions)
    if request.options.start == "codes":
        lots = uniform(request.seed, index, 0, "codes", (1, height // net.factor, width // net.factor))
        return net.net.lookup((lots * len(net.net.codebook)).long().to(device))[0]
    picture = (
        noise(request.seed, index, 0, "start", (3, height, width)).clamp(-2, 2) / 2
        if request.options.start == "pixels"
        else to_signed(from_corners(uniform(request.seed, index, 0, "start", (3, 2, 2)), height, width))
    )
    return net.of_picture(picture[None].to(device))[0]


def from_corners(corners: Tensor, height: int, width: int) -> Tensor:
    """From corner to corner, [3, 2, 2] → [3, height, width]."""
    down, across = (torch.linspace(0, 1, side) for side in (height, width))
    sides = corners[:, :1] + (corners[:, 1:] - corners[:, :1]) * down[:, None]
    return sides[..., :1] + (sides[..., 1:] - sides[..., :1]) * across
