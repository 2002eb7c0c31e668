"""Methods without a generator network: a canvas decodes parameters into an image by a formula."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.objective import ClipTarget
from engine.methods._optimisation import OptimisationMethod, OptimisedImage, Start
from engine.methods._shared import adam_update, cosine_decay, decay_in_steps
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
