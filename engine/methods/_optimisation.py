"""Methods that optimise the parameters of an image with Adam against CLIP's gradient.

A method says which generator decodes parameters into an image, where they start, which gradient they have beside
CLIP's, and how a step updates them. Loading, prompts, batches, previews, facts and failures are the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS
from engine.guidance.cutouts import NoiseKey
from engine.guidance.objective import ClipTarget, Scales, gradient_through, objective_gradient
from engine.guidance.targets import named
from engine.images.tensors import to_image, to_unit
from engine.methods import Finished, Running, Step, not_finite
from engine.methods._shared import GuidedImage, filled, make_phases, recipe_at, value_at
from engine.perceptors.perceptor_loader import load_perceptor, readable
from engine.protocol.messages import Job
from engine.protocol.replay_record import StepConditions
from engine.requests.options.clip_views import Weighted, guiding_clips
from engine.requests.request import DreamRequest
from engine.requests.schedule import TIMESTEPS
from engine.runtime.runtime import NetProvider


@dataclass(kw_only=True)
class OptimisedImage(GuidedImage):
    """The state of one image. Only `parameters`, their moments, `step` and `step_log` change, after each step.

    CLIP scores the cutouts in 2 ** memory_level parts, one after the other.
    """

    generator_key: Any
    """Equal for images that one call of the generator can decode."""
    parameters: Tensor
    held: Tensor | None = None
    """The encoded init image, from which later steps measure the distance."""
    mean: Tensor = field(init=False)
    square: Tensor = field(init=False)
    """Adam's moments of the parameters."""

    def __post_init__(self) -> None:
        self.mean, self.square = torch.zeros_like(self.parameters), torch.zeros_like(self.parameters)

    @property
    def timestep(self) -> float:
        """Falls evenly."""
        return TIMESTEPS * (1 - self.step / self.steps) - 1

    @property
    def scales(self) -> Scales:
        return Scales(1.0, tv=value_at(self.options.tv_scale, self.timestep))


def adam_update(
    batch: Sequence[OptimisedImage],
    gradient: Tensor,
    rates: Sequence[float],
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """The parameters, what to subtract from them, and their new moments by name; all [N, …] like *gradient*.

    *rates*: each image's learning rate. The defaults are PyTorch's, as in the notebooks.
    """
    first, second = betas
    before, mean, square = (torch.stack([getattr(s, k) for s in batch]) for k in ("parameters", "mean", "square"))
    mean, square = mean.lerp(gradient, 1 - first), square.lerp(gradient.square(), 1 - second)
    counts = [image.step + 1 for image in batch]
    count, rate = (torch.tensor(values, dtype=torch.float64) for values in (counts, rates))
    size, correction = (
        values.to(gradient).view(-1, *(1,) * (gradient.ndim - 1))
        for values in (rate / (1 - first**count), (1 - second**count).sqrt())
    )
    move = size * mean / (square.sqrt() / correction + epsilon)
    return before, move, {"mean": mean, "square": square}


def decay_in_steps(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: 1, 0.4 after half, 0.1 after three quarters."""
    return 0.1 if step >= 0.75 * steps else 0.4 if step >= 0.5 * steps else 1.0


def cosine_decay(step: int, steps: int) -> float:
    """Factor of the learning rate at *step* (from 0) of *steps*: falls from 1 to 0 along half a cosine."""
    return (1 + float(torch.cos(torch.tensor(torch.pi * step / steps, dtype=torch.float64)))) / 2


S = TypeVar("S", bound=OptimisedImage)
G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Start:
    """The first parameters of one image, what it keeps of an init image, and notes for its owner."""

    parameters: Tensor
    held: Tensor | None = None
    notes: tuple[str, ...] = ()


class OptimisationMethod(ABC, Generic[S, G]):
    """Everything but the generator *G* and the state *S* of an image."""

    name: str
    state: type[S]

    @abstractmethod
    def generator(self, key: Any, runtime: NetProvider) -> G:
        """What decodes the parameters of images of `generator_key` *key*. Raises ModelUnavailable or WeightsError."""

    @abstractmethod
    def starts(
        self, generator: G, request: DreamRequest, images: Mapping[str, bytes], guide: ClipTarget, runtime: NetProvider
    ) -> Iterator[Start]:
        """One start per image, in order. *images*: SHA-256 → bytes. *guide*: the first CLIP that guides."""

    @abstractmethod
    def decode(self, generator: G, batch: Sequence[S], parameters: Tensor) -> Tensor:
        """[N, …] → images [N, 3, H, W] in [-1, 1]; differentiable, each row independent of the others."""

    @abstractmethod
    def update(self, generator: G, batch: Sequence[S], gradient: Tensor) -> Mapping[str, Tensor]:
        """New values [N, …] of the states' fields: `parameters`, `mean`, `square` and what else a method keeps."""

    def offsets(self, batch: Sequence[S], sides: tuple[int, int]) -> tuple[Tensor, Tensor] | None:
        """[N] pixels down and across by which CLIP sees each image of *sides* (height, width) rolled; None = not."""
        return None

    def extra_gradient(self, batch: Sequence[S]) -> Tensor | None:
        """The gradient [N, …] of losses that CLIP has no part in; None = there are none."""
        return None

    def final(self, updated: Mapping[str, Tensor]) -> Tensor:
        """The parameters that the finished image is decoded from."""
        return updated["parameters"]

    def finish(self, state: S, picture: Tensor) -> Image.Image:
        """The finished image; *picture* is what `decode` made of it, [3, H, W] in [0, 1]."""
        return to_image(picture)

    def extra_facts(self, state: S) -> dict[str, object]:
        """More facts about the finished image, besides those of `_commit`."""
        return {}

    def weights(self, generator: G) -> dict[str, object]:
        """The SHA-256 of the generator's weights, for the replay record."""
        return {"weights": sha256} if (sha256 := getattr(generator, "sha256", None)) is not None else {}

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Loads generator and CLIPs. Raises InvalidRequest if the model knows none of the prompt's words."""
        model = MODELS[request.model]
        readable(request, model)
        self.generator(self.generator_key(request), runtime)
        for clip in (*guiding_clips(request.options, model.perceptor), Weighted(model.perceptor)):
            load_perceptor(clip.name, runtime)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[S]:
        """One state per image; prompts are embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest)
        options, own, key = request.options, MODELS[request.model].perceptor, self.generator_key(request)
        generator, guides = self.generator(key, runtime), guiding_clips(options, own)
        phases, notes = make_phases(request, images, runtime, guides, own, recipe_at(options, TIMESTEPS - 1))
        return [
            self.state(
                job_id=job.id,
                index=index,
                steps=options.steps,
                model=MODELS[request.model],
                options=options,
                seed=request.seed,
                notes=(*notes, *start.notes),
                generator_key=key,
                phases=phases,
                parameters=start.parameters.clone(),
                held=start.held,
                memory_level=runtime.memory.level(self._kind(key, start.parameters, options)),
            )
            for index, start in enumerate(self.starts(generator, request, images, phases[0].clip_targets[0], runtime))
        ]

    def generator_key(self, request: DreamRequest) -> Hashable:
        """Equal for requests whose images one call of the generator can decode."""
        return request.model

    def batch_key(self, state: S) -> Hashable:
        conditions = state.bucket, state.memory_level, state.compiled
        return state.generator_key, tuple(state.parameters.shape), state.objective.shape, conditions

    def reduce_memory(self, state: S, runtime: NetProvider) -> bool:
        """Makes CLIP score half as many cutouts at once; false if it scores them one by one already.

        A replay gives up its batch first, if that is larger than 1. Later images of the kind begin at this level.
        """
        if state.bucket > 1:
            state.bucket = 1
            return True
        if state.parts >= state.objective.most_cuts:
            return False
        state.memory_level += 1
        kind = self._kind(state.generator_key, state.parameters, state.options)
        runtime.memory.levels[kind] = state.memory_level
        return True

    def advance(self, states: list[S], runtime: NetProvider) -> list[Step]:
        """One step of the optimiser for each of *states*."""
        generator = self.generator(states[0].generator_key, runtime)
        guides = [load_perceptor(target.perceptor, runtime) for target in states[0].clip_targets]
        batch = filled(states, runtime.device)
        with torch.enable_grad():
            parameters = torch.stack([s.parameters for s in batch]).requires_grad_()
            picture = self.decode(generator, batch, parameters)
        keys = [NoiseKey(s.seed, s.index, s.step) for s in batch]
        of_picture, compiled = runtime.compiler.step(
            (self.name, self.batch_key(states[0]), len(batch)),
            lambda: objective_gradient(
                guides,
                picture,
                [s.objective for s in batch],
                keys,
                self.offsets(batch, (picture.shape[2], picture.shape[3])),
            ),
            states[0].compiled,
        )
        with torch.enable_grad():
            gradient = gradient_through(parameters, (picture, of_picture))
        if (extra := self.extra_gradient(batch)) is not None:
            gradient = gradient + extra
        with torch.no_grad():
            updated = self.update(generator, batch, gradient)
            finishes = any(s.step + 1 == s.steps for s in states)
            shown = to_unit(self.decode(generator, batch, self.final(updated)) if finishes else picture.detach())
        finite = torch.stack([values.isfinite().flatten(1).all(1) for values in updated.values()]).all(0).tolist()
        conditions = StepConditions(len(batch), torch.get_num_threads(), states[0].memory_level, compiled)
        facts = {**self.weights(generator), "dtype": "float32", "bucket": len(batch), **named(*guides)}
        return [
            self._commit(s, {key: values[i] for key, values in updated.items()}, shown[i], runtime, conditions, facts)
            if finite[i]
            else not_finite(s, "a smaller learning_rate usually helps")
            for i, s in enumerate(states)
        ]

    def _commit(
        self,
        state: S,
        updated: Mapping[str, Tensor],
        shown: Tensor,
        runtime: NetProvider,
        conditions: StepConditions,
        resolved: Mapping[str, object],
    ) -> Step:
        """Stores the new values in *state*. *shown*: the image, [3, H, W] in [0, 1]."""
        finishes, log = state.step + 1 == state.steps, state.step_log.appended(conditions)
        facts = state.facts(shown, {**resolved, "course": log.rows}, runtime) if finishes else {}
        for name, values in updated.items():
            setattr(state, name, values.clone())
        state.step, state.step_log = state.step + 1, log
        if not finishes:
            kept = shown.clone()
            return Running(state.step, state.steps, lambda: to_image(kept))
        return Finished(self.finish(state, shown), facts | self.extra_facts(state))

    def _kind(self, key: Hashable, parameters: Tensor, options: Any) -> Hashable:
        """Equal for images that take equally much memory."""
        perceptors = getattr(options, "perceptors", ""), getattr(options, "clip_cutouts", "")
        return self.name, key, tuple(parameters.shape), str(options.cutouts), perceptors, options.augment
