"""Pixels: a pyramid of colour grids painted by CLIP alone; no generator, the look of an abstract painter.

The picture is tanh of a sum of grids, from coarse to fine, each enlarged smoothly; Adam (Kingma & Ba 2015) moves their
colours against the same losses that guide diffusion. Coarse grids make large forms cheap, as in multi-resolution
"feature visualisation" (Olah et al. 2017); nothing but the perceptor needs weights.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.course import Course, Terms
from engine.errors import NotFinite
from engine.guidance.cutouts import CutRecipe, window_matrix
from engine.guidance.pull import Eye, Pull, Scales, pull_gradient
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.turn import Turn
from engine.guidance.verdict import judge, named
from engine.guidance.words import readable
from engine.messages import Job
from engine.models import MODELS, Model
from engine.pictures import fit, open_picture
from engine.requests import DreamRequest, PixelsOptions
from engine.steps import Failed, Finished, Running, Step
from engine.tensors import noise, to_image, to_signed, to_tensor, to_unit

if TYPE_CHECKING:
    from engine.guidance.perceptor import Perceptor
    from engine.runtime import Runtime

FACTORS = (16, 8, 4, 2, 1)
"""How much smaller than the picture the grids are."""
LARGEST_PIXEL = 4
"""The grids' picture is at most this many times smaller than the finished one: no net ties it to a size."""
SPREAD = 0.1
"""Of the colours that painting starts with."""
BETAS = (0.9, 0.99)
RIM = 0.97
"""An init picture's colours are drawn in to this, where tanh can still be inverted and moved."""


@dataclass
class Grids:
    """One picture on its way: all its grids' colours in one vector, and Adam's two moments of it."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    options: PixelsOptions
    seed: int
    sides: tuple[int, int]
    pull: Pull
    notes: tuple[str, ...]
    colours: Tensor
    """[P]: the grids, coarse to fine, each [3, h, w]."""
    mean: Tensor
    square: Tensor
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time, step by step."""
    course: Course = field(default_factory=Course)
    """How its steps were run."""


class Pixels:
    """The method; see the module's docstring."""

    def load(self, request: DreamRequest, runtime: Runtime) -> None:
        """The perceptor into memory; refuses words that it cannot read at all."""
        model = MODELS[request.model]
        readable(request, model)
        runtime.perceptor(model.perceptor)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Grids]:
        """One state per picture: faint colours (or the init picture's), prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, PixelsOptions)
        model, options = MODELS[request.model], request.options
        prompts, notes = readable(request, model)
        recipe = CutRecipe(options.cutouts, options.cut_power, options.flip, options.gray, options.cut_noise)
        pictures = decode(request, images, runtime.device)
        eye = Eye(model.perceptor, make_targets(runtime.perceptor(model.perceptor), prompts, pictures, recipe))
        scale = min(model.scale, LARGEST_PIXEL)
        sides = request.height // scale, request.width // scale
        init = _colours_of(request, images, sides)
        states = []
        for index in range(request.count):
            colours = SPREAD * noise(request.seed, index, 0, "colours", (sum(_sizes(sides)),))
            colours = (colours if init is None else init).to(runtime.device)
            states.append(
                Grids(
                    job_id=job.id,
                    index=index,
                    steps=options.steps,
                    step=0,
                    model=model,
                    options=options,
                    seed=request.seed,
                    sides=sides,
                    pull=Pull((eye,), recipe, Scales(1.0, tv=options.tv_scale)),
                    notes=notes,
                    colours=colours,
                    mean=torch.zeros_like(colours),
                    square=torch.zeros_like(colours),
                )
            )
        return states

    def lane(self, state: Grids) -> Hashable:
        """Equal for pictures that can be looked at together."""
        return state.model.name, state.sides, state.pull.shape, state.bucket

    def advance(self, states: list[Grids], runtime: Runtime) -> list[Step]:
        """One step of Adam for each."""
        perceptor = runtime.perceptor(states[0].model.perceptor)
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        sides = batch[0].sides
        with torch.enable_grad():
            colours = torch.stack([s.colours for s in batch]).requires_grad_()
            picture = _picture(colours, sides)
        turns = [Turn(s.seed, s.index, s.step) for s in batch]
        wanted = pull_gradient((perceptor,), picture, [s.pull for s in batch], turns)
        (gradient,) = torch.autograd.grad(picture, colours, wanted)
        with torch.no_grad():
            moved = _adam(batch, gradient)
            pictures = to_unit(_picture(moved[0], sides))
        terms = Terms(bucket, torch.get_num_threads())
        resolved = {"dtype": "float32", "bucket": bucket, **named(perceptor)}
        alive = moved[0].isfinite().all(1).tolist()
        return [
            _commit(state, [m[i] for m in moved], pictures[i], perceptor, terms, resolved)
            if alive[i]
            else Failed(_broken(state))
            for i, state in enumerate(states)
        ]


METHOD = Pixels()


def _adam(batch: Sequence[Grids], gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colours, mean and square of every picture after its own step; the rate falls to nothing along a half cosine."""
    first, second = BETAS
    mean = torch.stack([s.mean for s in batch]).lerp(gradient, 1 - first)
    square = torch.stack([s.square for s in batch]).lerp(gradient.square(), 1 - second)
    count = torch.tensor([s.step + 1 for s in batch], dtype=torch.float64)
    part = torch.tensor([s.step / s.steps for s in batch], dtype=torch.float64)
    rate = torch.tensor([s.options.learning_rate for s in batch], dtype=torch.float64)
    size = rate * (1 + torch.cos(torch.pi * part)) / 2 / (1 - first**count)
    correction = (1 - second**count).sqrt()
    root = square.sqrt() / correction.to(gradient)[:, None] + 1e-12
    colours = torch.stack([s.colours for s in batch]) - size.to(gradient)[:, None] * mean / root
    return colours, mean, square


def _picture(colours: Tensor, sides: tuple[int, int]) -> Tensor:
    """[N, P] → [N, 3, H, W] in [-1, 1]."""
    total = torch.zeros((len(colours), 3, *sides), device=colours.device)
    for grid, (height, width) in zip(torch.split(colours, _sizes(sides), dim=1), _shapes(sides), strict=True):
        total = total + _resized(grid.reshape(-1, 3, height, width), sides)
    return total.tanh()


def _resized(images: Tensor, sides: tuple[int, int]) -> Tensor:
    """Bilinear and antialiased, as two matrix products: [N, 3, h, w] → [N, 3, H, W]."""
    rows, columns = (
        window_matrix(
            torch.zeros((), device=images.device), torch.tensor(float(source), device=images.device), source, target
        )
        for source, target in zip(images.shape[2:], sides, strict=True)
    )
    return rows @ images @ columns.T


def _shapes(sides: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width of every grid."""
    return [(max(sides[0] // f, 1), max(sides[1] // f, 1)) for f in FACTORS]


def _sizes(sides: tuple[int, int]) -> list[int]:
    """Numbers in every grid."""
    return [3 * height * width for height, width in _shapes(sides)]


def _colours_of(request: DreamRequest, images: Mapping[str, bytes], sides: tuple[int, int]) -> Tensor | None:
    """The init picture as grids: each holds what the coarser ones miss. [P]."""
    if not request.init_image:
        return None
    height, width = sides
    picture = to_signed(to_tensor(fit(open_picture(images[request.init_image]), width, height)))[None]
    rest, grids = (RIM * picture).atanh(), list[Tensor]()
    for shape in _shapes(sides):
        grids.append(_resized(rest, shape))
        rest = rest - _resized(grids[-1], sides)
    return torch.cat([g.flatten() for g in grids])


def _commit(
    state: Grids,
    moved: Sequence[Tensor],
    picture: Tensor,
    perceptor: Perceptor,
    terms: Terms,
    resolved: Mapping[str, object],
) -> Step:
    """The step has succeeded: the state takes its new colours and moments."""
    state.colours, state.mean, state.square = (m.clone() for m in moved)
    state.step, state.course = state.step + 1, state.course.then(terms)
    if state.step < state.steps:
        shown = picture.clone()
        return Running(state.step, state.steps, lambda: to_image(shown))
    found = {"notes": list(state.notes), "resolved": {**resolved, "course": state.course.rows}}
    return Finished(to_image(picture), judge(perceptor, picture, state.pull.targets) | found)


def _broken(state: Grids) -> NotFinite:
    return NotFinite(
        f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}; "
        "a smaller learning_rate usually helps."
    )
