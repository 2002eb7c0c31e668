"""Methods without a generator: a canvas made of numbers, which Adam (Kingma & Ba 2015) moves against CLIP's gradient.

A method of this kind says what its numbers are (a `Canvas` for a request, and where they begin); steps, batches,
snapshots, facts and failures are the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.errors import NotFinite
from engine.guidance.cutouts import CutRecipe
from engine.guidance.objective import ClipTarget, Objective, Scales, objective_gradient
from engine.guidance.perceptor import Perceptor
from engine.guidance.perceptor_loader import load_perceptor
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.turn import NoiseKey
from engine.guidance.verdict import judge, named
from engine.guidance.vocabulary_check import cut_short, readable
from engine.images.tensors import to_image, to_unit
from engine.methods._adam_step import adam_move, cosine_fall
from engine.methods._base import Failed, Finished, Running, Step
from engine.methods._optimised import Optimised
from engine.protocol.messages import Job
from engine.protocol.step_log import StepConditions
from engine.requests.options.optimiser_methods import OptimisedOptions
from engine.requests.request import DreamRequest
from engine.runtime.provider import NetProvider

BETAS, EPSILON = (0.9, 0.99), 1e-12


class Canvas(Protocol):
    """What the numbers of one picture mean. Equal canvases are painted on together, so it is a value that hashes."""

    def paint(self, numbers: Tensor) -> Tensor:
        """[N, P] → [N, 3, H, W] in [-1, 1], differentiable, each row by itself."""
        ...

    def rates(self) -> Tensor:
        """[P]: how fast each number may move beside the others."""
        ...

    def settle(self, numbers: Tensor) -> Tensor:
        """[N, P] → the same, within what the numbers may be."""
        ...

    def finish(self, numbers: Tensor) -> Image.Image:
        """[P] → the finished picture."""
        ...


@dataclass(kw_only=True)
class Painting(Optimised):
    """One picture on its way; its numbers are [P]."""

    options: OptimisedOptions
    canvas: Canvas
    objective: Objective

    @property
    def parts(self) -> int:
        """So many times CLIP looks, each time at so many fewer cuts."""
        return min(1 << self.memory_level, self.objective.recipe.total)


class ByAdam(ABC):
    """All of a method but its canvas."""

    @abstractmethod
    def canvas(self, request: DreamRequest, model: Model) -> Canvas:
        """What the pictures of *request* are made of."""

    @abstractmethod
    def first(self, request: DreamRequest, canvas: Canvas, images: Mapping[str, bytes], index: int) -> Tensor:
        """The numbers that picture *index* begins with: [P] on the CPU."""

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """The perceptor into memory; refuses words that it cannot read at all."""
        model = MODELS[request.model]
        readable(request, model)
        load_perceptor(model.perceptor, runtime)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[Painting]:
        """One state per picture, prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, OptimisedOptions)
        model, options = MODELS[request.model], request.options
        prompts, notes = readable(request, model)
        recipe = CutRecipe(options.cutouts, options.cut_power, options.flip, options.gray, options.cut_noise)
        pictures = decode(request, images, runtime.device)
        eye = ClipTarget(
            model.perceptor, make_targets(load_perceptor(model.perceptor, runtime), prompts, pictures, recipe)
        )
        notes += cut_short(prompts, [load_perceptor(model.perceptor, runtime)])
        canvas = self.canvas(request, model)
        states = []
        for index in range(request.count):
            numbers = self.first(request, canvas, images, index).to(runtime.device)
            states.append(
                Painting(
                    job_id=job.id,
                    index=index,
                    steps=options.steps,
                    step=0,
                    model=model,
                    options=options,
                    seed=request.seed,
                    canvas=canvas,
                    objective=Objective((eye,), recipe, Scales(1.0, tv=options.tv_scale)),
                    notes=notes,
                    numbers=numbers,
                    mean=torch.zeros_like(numbers),
                    square=torch.zeros_like(numbers),
                    memory_level=runtime.memory.level(_kind(model, canvas, recipe)),
                )
            )
        return states

    def batch_key(self, state: Painting) -> Hashable:
        """Equal for pictures that can be looked at together."""
        return state.model.name, state.canvas, state.objective.shape, state.bucket, state.memory_level, state.compiled

    def reduce_memory(self, state: Painting, runtime: NetProvider) -> bool:
        """CLIP looks at half as many cuts at once; later pictures of its kind begin so.

        A replay gives up its batch, if that is larger than it has to be, before anything else.
        """
        return look_at_fewer(
            state, _kind(state.model, state.canvas, state.objective.recipe), state.objective.recipe.total, runtime
        )

    def advance(self, states: list[Painting], runtime: NetProvider) -> list[Step]:
        """One step of Adam for each."""
        perceptor = load_perceptor(states[0].model.perceptor, runtime)
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        canvas = batch[0].canvas
        with torch.enable_grad():
            numbers = torch.stack([s.numbers for s in batch]).requires_grad_()
            picture = canvas.paint(numbers)
        noise_keys = [NoiseKey(s.seed, s.index, s.step) for s in batch]
        objectives = [replace(s.objective, parts=s.parts) for s in batch]
        wanted, compiled = runtime.compiler.step(
            (self.batch_key(states[0]), bucket),
            lambda: objective_gradient((perceptor,), picture, objectives, noise_keys),
            states[0].compiled,
        )
        (gradient,) = torch.autograd.grad(picture, numbers, wanted)
        with torch.no_grad():
            values, mean, square = _moved(batch, gradient)
            moved = canvas.settle(values), mean, square
            finishes = any(s.step + 1 == s.steps for s in states)
            pictures = to_unit(canvas.paint(moved[0]) if finishes else picture.detach())
        terms = StepConditions(bucket, torch.get_num_threads(), states[0].memory_level, compiled)
        resolved = {"dtype": "float32", "bucket": bucket, **named(perceptor)}
        alive = (values.isfinite() & square.isfinite()).all(1).tolist()
        return [
            _commit(state, [m[i] for m in moved], pictures[i], perceptor, terms, resolved)
            if alive[i]
            else Failed(broken(state))
            for i, state in enumerate(states)
        ]


def _kind(model: Model, canvas: Canvas, recipe: CutRecipe) -> Hashable:
    """Pictures of one kind take equally much memory."""
    return "adam", model.name, canvas, recipe.total


def _moved(batch: Sequence[Painting], gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, mean and square of every picture after its own step; the rate falls to nothing along a half cosine."""
    before, *moments = (torch.stack([getattr(s, name) for s in batch]) for name in ("numbers", "mean", "square"))
    rates = [s.options.learning_rate * cosine_fall(s.step, s.steps) for s in batch]
    counts = [s.step + 1 for s in batch]
    move, mean, square = adam_move((moments[0], moments[1]), gradient, counts, rates, betas=BETAS, epsilon=EPSILON)
    return before - move * batch[0].canvas.rates().to(gradient), mean, square


def _commit(
    state: Painting,
    moved: Sequence[Tensor],
    picture: Tensor,
    perceptor: Perceptor,
    terms: StepConditions,
    resolved: Mapping[str, object],
) -> Step:
    """The step has succeeded: the state takes its new numbers and moments."""
    state.numbers, state.mean, state.square = (m.clone() for m in moved)
    state.step, state.step_log = state.step + 1, state.step_log.then(terms)
    if state.step < state.steps:
        shown = picture.clone()
        return Running(state.step, state.steps, lambda: to_image(shown))
    found = {"notes": list(state.notes), "resolved": {**resolved, "course": state.step_log.rows}}
    return Finished(state.canvas.finish(state.numbers), judge(perceptor, picture, state.objective.targets) | found)


def look_at_fewer(state: Optimised, kind: Hashable, cuts: int, runtime: NetProvider) -> bool:
    """CLIP looks at half as many of all *cuts* at once, a quarter …; later pictures of this *kind* begin so.

    A replay gives up its batch, if that is larger than it has to be, before anything else. False: nothing is left.
    """
    if state.bucket > 1:
        state.bucket = 1
        return True
    if 1 << state.memory_level >= cuts:
        return False
    state.memory_level += 1
    runtime.memory.levels[kind] = state.memory_level
    return True


def broken(state: Optimised) -> NotFinite:
    """Why a picture whose numbers stopped being numbers cannot go on."""
    return NotFinite(
        f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}; "
        "a smaller learning_rate usually helps."
    )
