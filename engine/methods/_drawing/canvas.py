"""Methods without a generator network: a canvas decodes parameters into an image by a formula."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

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

    def generator(self, request: DreamRequest, runtime: NetProvider) -> C:
        return self.canvas(request, MODELS[request.model])

    def generator_key(self, request: DreamRequest) -> Hashable:
        canvas: Hashable = self.canvas(request, MODELS[request.model])  # type: ignore[assignment]
        return canvas

    def generator_of(self, state: CanvasImage, runtime: NetProvider) -> C:
        canvas: C = state.generator_key  # type: ignore[assignment]
        return canvas

    def starts(
        self, generator: C, request: DreamRequest, images: Mapping[str, bytes], guide: ClipTarget, runtime: NetProvider
    ) -> Iterator[Start]:
        for index in range(request.count):
            yield Start(self.first(request, generator, images, index).to(runtime.device))

    def decode(self, generator: C, batch: Sequence[CanvasImage], parameters: Tensor) -> Tensor:
        return generator.paint(parameters)

    def update(self, generator: C, batch: Sequence[CanvasImage], gradient: Tensor) -> Mapping[str, Tensor]:
        """A step of Adam, clamped to the canvas."""
        before, mean, square = (torch.stack([getattr(s, k) for s in batch]) for k in ("parameters", "mean", "square"))
        rates = [s.options.learning_rate * _decay(s) for s in batch]
        counts = [s.step + 1 for s in batch]
        move, mean, square = adam_update((mean, square), gradient, counts, rates, betas=BETAS, epsilon=EPSILON)
        after = before - move * generator.rates().to(gradient)
        finite = after.isfinite().all(1, keepdim=True)  # clamping would hide that an image has failed
        return {"parameters": torch.where(finite, generator.settle(after), after), "mean": mean, "square": square}

    def finish(self, state: CanvasImage, picture: Tensor) -> Image.Image:
        canvas: ParametricCanvas = state.generator_key  # type: ignore[assignment]
        return canvas.finish(state.parameters)


def _decay(state: CanvasImage) -> float:
    decay = decay_in_steps if getattr(state.options, "decay", "cosine") == "steps" else cosine_decay
    return decay(state.step, state.steps)
