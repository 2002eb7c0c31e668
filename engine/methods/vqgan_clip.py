"""VQGAN+CLIP: a grid of codes that CLIP moves until their picture fits the words; the look of 2021.

Crowson et al. 2022 (arXiv 2204.08583), and the notebooks of 2021 before it. Each cell of the grid takes the nearest
vector of a codebook, the VQGAN's decoder turns them into an image, CLIP scores cutouts of it, and Adam moves the grid
against the gradient of the spherical distance from the prompts. Two things differ from the notebooks: the seed fixes
the start as well, and `init_weight` measures the distance from the init image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.guidance.objective import ClipTarget
from engine.images.tensors import noise, per_sample, to_signed, uniform
from engine.loaders.vqgan import VqganNet, load_vqgan_net
from engine.methods._optimisation import OptimisationMethod, OptimisedImage, Start, adam_update, cosine_decay
from engine.methods._shared import init_image, sides_of
from engine.requests.options.vqgan_clip import VqganClipOptions
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

WEIGHT_DECAY = 0.01
"""Of AdamW: PyTorch's default."""


@dataclass(kw_only=True)
class VqganImage(OptimisedImage):
    """Its parameters are z, and it holds the init image's codes, both [D, h, w]. z is rounded to the codebook."""

    options: VqganClipOptions

    @property
    def rate(self) -> float:
        decay = 1.0 if self.options.decay == "none" else cosine_decay(self.step, self.steps)
        return self.options.learning_rate * decay


class VqganClip(OptimisationMethod[VqganImage, VqganNet]):
    """The method; see the module's docstring."""

    name = "vqgan_clip"
    state = VqganImage

    def generator(self, key: str, runtime: NetProvider) -> VqganNet:
        """Encoder, codebook and decoder."""
        return load_vqgan_net(key, runtime)

    def starts(
        self,
        generator: VqganNet,
        request: DreamRequest,
        images: Mapping[str, bytes],
        guide: ClipTarget,
        runtime: NetProvider,
    ) -> Iterator[Start]:
        init = init_image(request, images, runtime.device)
        held = None if init is None else generator.of_picture(init[None])[0]
        for index in range(request.count):
            yield Start(_first(generator, request, index, runtime.device) if held is None else held, held)

    def decode(self, generator: VqganNet, batch: Sequence[VqganImage], parameters: Tensor) -> Tensor:
        return generator.paint(parameters)

    def extra_gradient(self, batch: Sequence[VqganImage]) -> Tensor:
        """The gradient of init_weight / 2 · mean |z - held|² for each image: [N, D, h, w].

        The classic tools measured the distance from zero, so that a high `init_weight` pulled away from the init image.
        """
        return torch.stack([_hold(image) for image in batch])

    def update(self, generator: VqganNet, batch: Sequence[VqganImage], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam or AdamW, clamped to the bounds of the codebook."""
        z, move, moments = adam_update(batch, gradient, [s.rate for s in batch])
        shrink = [WEIGHT_DECAY * (s.options.optimizer == "adamw") * s.rate for s in batch]
        z = z * (1 - per_sample(torch.tensor(shrink, dtype=torch.float64))).to(z) - move
        return {"parameters": z.clamp(*generator.bounds), **moments}


METHOD = VqganClip()


def _hold(image: VqganImage) -> Tensor:
    if image.held is None:
        return torch.zeros_like(image.parameters)
    return image.options.init_weight.at(image.timestep) * (image.parameters - image.held) / image.parameters.numel()


def _first(net: VqganNet, request: DreamRequest, index: int, device: torch.device) -> Tensor:
    """The first codes of image *index* without an init image: [D, h, w]."""
    height, width = sides_of(request)
    assert isinstance(request.options, VqganClipOptions)
    if request.options.start == "codes":
        draws = uniform(request.seed, index, 0, "codes", (1, height // net.factor, width // net.factor))
        return net.net.lookup((draws * len(net.net.codebook)).long().to(device))[0]
    picture = (
        noise(request.seed, index, 0, "start", (3, height, width)).clamp(-2, 2) / 2
        if request.options.start == "pixels"
        else to_signed(from_corners(uniform(request.seed, index, 0, "start", (3, 2, 2)), height, width))
    )
    return net.of_picture(picture[None].to(device))[0]


def from_corners(corners: Tensor, height: int, width: int) -> Tensor:
    """A bilinear gradient between four corners: [3, 2, 2] → [3, height, width]."""
    down, across = (torch.linspace(0, 1, side) for side in (height, width))
    sides = corners[:, :1] + (corners[:, 1:] - corners[:, :1]) * down[:, None]
    return sides[..., :1] + (sides[..., 1:] - sides[..., :1]) * across
