"""VQGAN+CLIP: a grid of codes that CLIP moves until their picture fits the words; the look of 2021.

Crowson et al. 2022 (arXiv 2204.08583), and the notebooks of 2021 before it. Each place of the grid takes the nearest
vector of a codebook, the VQGAN's decoder makes a picture of them, CLIP looks at views of it, and Adam moves the grid
against the gradient of the spherical distance from the prompts. Three things differ from the notebooks: the seed fixes
the start as well, holding on to an init picture measures from that picture, and views are not turned or bent, because
what does that has no deterministic gradient on a GPU.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.course import Terms
from engine.guidance.pull import Eye, pull_gradient
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.turn import Turn
from engine.guidance.verdict import judge, named
from engine.guidance.words import readable
from engine.messages import Job
from engine.methods._adam import broken, look_at_fewer
from engine.methods._grid import Grid, hold, recipe_at
from engine.methods._grid import moved as stepped
from engine.models import MODELS, Model
from engine.options.perceptors import Weighted, read_perceptors
from engine.options.schedule import TIMESTEPS
from engine.options.vqgan_clip import VqganClipOptions
from engine.pictures import fit, open_picture
from engine.prompts import check_weights
from engine.requests import DreamRequest
from engine.steps import Failed, Finished, Running, Step
from engine.tensors import noise, to_image, to_signed, to_tensor, to_unit, uniform
from engine.vqgan_net import VqganNet, load_vqgan_net

if TYPE_CHECKING:
    from engine.runtime import Runtime

METHOD_NAME = "vqgan_clip"


class VqganClip:
    """The method; see the module's docstring."""

    def load(self, request: DreamRequest, runtime: Runtime) -> None:
        """Net and perceptors into memory; refuses words that the model cannot read at all."""
        model, options = MODELS[request.model], request.options
        assert isinstance(options, VqganClipOptions)
        readable(request, model)
        load_vqgan_net(model.name, runtime)
        for clip in (*_guiding(options, model), Weighted(model.perceptor)):
            runtime.perceptor(clip.name)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Grid]:
        """One grid per picture: random codes or the init picture's, prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, VqganClipOptions)
        model, options = MODELS[request.model], request.options
        net = load_vqgan_net(model.name, runtime)
        own, eyes, notes = _eyes(request, images, runtime)
        init = _init(request, net, images, runtime.device)
        grids = []
        for index in range(request.count):
            z = init if init is not None else _start(request, net, index, runtime.device)
            grids.append(
                Grid(
                    job_id=job.id,
                    index=index,
                    steps=options.steps,
                    step=0,
                    model=model,
                    options=options,
                    seed=request.seed,
                    eyes=eyes,
                    own=own,
                    notes=notes,
                    z=z.clone(),
                    held=init,
                    mean=torch.zeros_like(z),
                    square=torch.zeros_like(z),
                    thrift=runtime.lessons.get(_kind(model, z, options), 0),
                )
            )
        return grids

    def lane(self, state: Grid) -> Hashable:
        """Equal for pictures that one pass can serve."""
        return state.lane

    def lighten(self, state: Grid, runtime: Runtime) -> bool:
        """A replay gives up its batch; then CLIP looks at half as many cuts at once; later pictures begin so."""
        return look_at_fewer(state, _kind(state.model, state.z, state.options), state.pull.recipe.total, runtime)

    def advance(self, states: list[Grid], runtime: Runtime) -> list[Step]:
        """One step of the optimiser for each."""
        net = load_vqgan_net(states[0].model.name, runtime)
        guides = [runtime.perceptor(eye.perceptor) for eye in states[0].eyes]
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        with torch.enable_grad():
            z = torch.stack([g.z for g in batch]).requires_grad_()
            picture = net.paint(z)
        turns = [Turn(g.seed, g.index, g.step) for g in batch]
        wanted = pull_gradient(guides, picture, [g.pull for g in batch], turns)
        (gradient,) = torch.autograd.grad(picture, z, wanted)
        with torch.no_grad():
            values, mean, square = stepped(batch, gradient + hold(batch))
            low, high = net.bounds()
            moved = values.clamp(low, high)
            last = any(g.step + 1 == g.steps for g in states)
            shown = to_unit(net.paint(moved) if last else picture.detach())
        alive = (values.isfinite() & square.isfinite()).flatten(1).all(1).tolist()
        terms = Terms(bucket, torch.get_num_threads(), states[0].thrift)
        resolved = {"weights": net.sha256, "dtype": "float32", "bucket": bucket, **named(*guides)}
        return [
            _commit(g, (moved[i], mean[i], square[i]), shown[i], runtime, terms, resolved)
            if alive[i]
            else Failed(broken(g))
            for i, g in enumerate(states)
        ]


METHOD = VqganClip()


def _commit(
    grid: Grid,
    moved: tuple[Tensor, Tensor, Tensor],
    shown: Tensor,
    runtime: Runtime,
    terms: Terms,
    resolved: Mapping[str, object],
) -> Step:
    """The step has succeeded: the grid takes its new place and moments. *shown*: the picture, [3, H, W] in [0, 1]."""
    finishes = grid.step + 1 == grid.steps
    facts = judge(runtime.perceptor(grid.own.perceptor), shown, grid.own.targets) if finishes else {}
    grid.z, grid.mean, grid.square = (m.clone() for m in moved)
    grid.step, grid.course = grid.step + 1, grid.course.then(terms)
    if not finishes:
        kept = shown.clone()
        return Running(grid.step, grid.steps, lambda: to_image(kept))
    facts |= {"notes": list(grid.notes), "resolved": {**resolved, "course": grid.course.rows}}
    return Finished(to_image(shown), facts)


def _eyes(
    request: DreamRequest, images: Mapping[str, bytes], runtime: Runtime
) -> tuple[Eye, tuple[Eye, ...], tuple[str, ...]]:
    """Who judges, who guides, and notes for the person."""
    model, options = MODELS[request.model], request.options
    assert isinstance(options, VqganClipOptions)
    prompts, notes = readable(request, model)
    check_weights((*prompts, *options.noise_weights))
    pictures = decode(request, images, runtime.device)
    recipe = recipe_at(options, TIMESTEPS - 1)

    def eye(clip: Weighted, directions: tuple[tuple[int, float], ...]) -> Eye:
        found = make_targets(runtime.perceptor(clip.name), prompts, pictures, recipe, directions)
        return Eye(clip.name, found, clip.weight)

    return eye(Weighted(model.perceptor), ()), tuple(eye(c, options.noise) for c in _guiding(options, model)), notes


def _init(request: DreamRequest, net: VqganNet, images: Mapping[str, bytes], device: torch.device) -> Tensor | None:
    """The init picture's codes, [D, h, w]."""
    if not request.init_image:
        return None
    height, width = _sides(request)
    picture = to_signed(to_tensor(fit(open_picture(images[request.init_image]), width, height)))
    return net.of_picture(picture[None].to(device))[0]


def _start(request: DreamRequest, net: VqganNet, index: int, device: torch.device) -> Tensor:
    """Where picture *index* begins without an init picture: [D, h, w]."""
    assert isinstance(request.options, VqganClipOptions)
    height, width = _sides(request)
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


def _guiding(options: VqganClipOptions, model: Model) -> tuple[Weighted, ...]:
    return read_perceptors(options.perceptors, model.perceptor)


def _kind(model: Model, z: Tensor, options: VqganClipOptions) -> Hashable:
    """Pictures of one kind take equally much memory."""
    return METHOD_NAME, model.name, tuple(z.shape), str(options.cutouts), options.perceptors


def _sides(request: DreamRequest) -> tuple[int, int]:
    """Height and width at the net's own size."""
    scale = MODELS[request.model].scale
    return request.height // scale, request.width // scale
