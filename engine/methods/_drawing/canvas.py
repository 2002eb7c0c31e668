"""Methods without a generator network: a canvas decodes parameters into an image by a formula.

A `Pyramid` is a picture as the sum of grids from coarse to fine, so that Adam moves large shapes in few steps:
multi-resolution feature visualisation (Olah et al. 2017) without Fourier transforms.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.cutouts import window_matrix
from engine.guidance.objective import ClipTarget
from engine.methods._optimisation import (
    OptimisationMethod,
    OptimisedImage,
    Start,
    adam_update,
    cosine_decay,
    decay_in_steps,
)
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

BETAS, EPSILON = (0.9, 0.99), 1e-12


class ParametricCanvas(Protocol):
    """A hashable value. Images with equal canvases can share a batch."""

    def paint(self, parameters: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1]; differentiable, each row independent of the others."""
        ...

    def rates(self) -> Tensor:
        """[P], or [1] for all: factors of the learning rate."""
        ...

    def settle(self, parameters: Tensor) -> Tensor:
        """[N, P] → the same, clamped to the range of each parameter."""
        ...

    def finish(self, parameters: Tensor) -> Image.Image:
        """[P] → the finished image."""
        ...


@dataclass(kw_only=True)
class CanvasImage(OptimisedImage):
    """Its parameters are [P]; its `generator_key` is its canvas."""


C = TypeVar("C", bound=ParametricCanvas)


class CanvasMethod(OptimisationMethod[CanvasImage, C]):
    """Everything but the canvas. The learning rate falls to 0 along half a cosine, or in steps."""

    state = CanvasImage

    @abstractmethod
    def canvas(self, request: DreamRequest, model: Model) -> C:
        """The canvas of *request*'s images."""

    @abstractmethod
    def first(self, request: DreamRequest, canvas: C, images: Mapping[str, bytes], index: int) -> Tensor:
        """The first parameters of image *index*: [P] on the CPU."""

    def generator_key(self, request: DreamRequest) -> Any:
        return self.canvas(request, MODELS[request.model])

    def generator(self, key: C, runtime: NetProvider) -> C:
        return key

    def starts(
        self, generator: C, request: DreamRequest, images: Mapping[str, bytes], guide: ClipTarget, runtime: NetProvider
    ) -> Iterator[Start]:
        for index in range(request.count):
            yield Start(self.first(request, generator, images, index).to(runtime.device))

    def decode(self, generator: C, batch: Sequence[CanvasImage], parameters: Tensor) -> Tensor:
        return generator.paint(parameters)

    def update(self, generator: C, batch: Sequence[CanvasImage], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam, clamped to the canvas."""
        rates = [s.options.learning_rate * _decay(s) for s in batch]
        before, move, moments = adam_update(batch, gradient, rates, betas=BETAS, epsilon=EPSILON)
        after = before - move * generator.rates().to(gradient)
        finite = after.isfinite().all(1, keepdim=True)  # clamping would hide that an image has failed
        return {"parameters": torch.where(finite, generator.settle(after), after), **moments}

    def finish(self, state: CanvasImage, picture: Tensor) -> Image.Image:
        canvas: ParametricCanvas = state.generator_key
        return canvas.finish(state.parameters)


def _decay(state: CanvasImage) -> float:
    decay = decay_in_steps if getattr(state.options, "decay", "cosine") == "steps" else cosine_decay
    return decay(state.step, state.steps)


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
