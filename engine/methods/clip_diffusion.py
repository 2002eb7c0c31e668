"""CLIP-guided diffusion: noise becomes a picture while CLIP pulls every step towards the prompt.

Each step makes one forward pass with gradient (cond_fn with the prediction, as in crowsonkb's fork; half of the work of
the classic two passes), looks at random views of the predicted picture through CLIP, and leans the prediction against
the gradient of the losses, before a sampler takes the step. Nets that read text are guided by the text itself as well
(classifier-free). Everything is per sample, so pictures of different people at different steps share a pass.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser
from engine.diffusion.framing import mirrored, wandering
from engine.diffusion.respacing import Walk, stack
from engine.diffusion.solvers import SOLVERS, Move, Stand, can_begin
from engine.diffusion_net import DiffusionNet, load_diffusion_net
from engine.errors import InvalidRequest, NotFinite
from engine.guidance.leaning import Guidance, Stay
from engine.guidance.plan import limits_at, pull_at, recipe_at
from engine.guidance.pull import Eye, Pull, Turn
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.verdict import judge, named
from engine.guidance.words import readable
from engine.messages import Job
from engine.models import MODELS, Model
from engine.options.perceptors import Weighted, read_perceptors
from engine.reading import Reading, read, reading_denoiser
from engine.requests import ClipDiffusionOptions, DreamRequest
from engine.secondary_net import check_sides, load_secondary
from engine.starts import Start, axes, make_starts
from engine.steps import Failed, Finished, Running, Step
from engine.tensors import noise, per_sample, to_image, to_unit, uniform

if TYPE_CHECKING:
    from engine.runtime import Runtime

METHOD_NAME = "clip_diffusion"
PLMS_ORDER = 2
"""Unless somebody says otherwise."""
SEAM_BELOW = 400
"""Timestep from which on nets see what lies beyond the edges of a seamless picture; before, moving it is enough."""


@dataclass
class Sample:
    """One picture on its way; `x`, `history` and `step` change when a step has succeeded, all else stays."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    options: ClipDiffusionOptions
    seed: int
    walk: Walk
    x: Tensor
    """[3, H, W], noisy, in [-1, 1] and beyond."""
    start: Start
    eyes: tuple[Eye, ...]
    """Those that guide."""
    own: Eye
    """The one that judges the finished picture."""
    reading: Reading | None
    """For a net that reads text."""
    notes: tuple[str, ...]
    history: tuple[Tensor, ...] = ()
    """What the sampler has to remember of former steps, the newest first."""
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time."""
    thrift: int = 0
    """How much memory its steps save, at the cost of time: 1 = the net remembers less, beyond that CLIP looks at half
    as many cuts at once, a quarter …"""

    @property
    def stop(self) -> int:
        """Where on its walk the next step begins; the last is 0."""
        return self.steps - self.step - 1

    @property
    def pull(self) -> Pull:
        """What draws it in the next step."""
        at = self.walk.noisiness(self.stop)
        pull = pull_at(self.options, self.eyes, self.start.init, at, self.options.steps - self.stop - 1)
        return replace(pull, parts=min(2 ** (self.thrift - 1), pull.recipe.total)) if self.thrift > 1 else pull

    @property
    def turn(self) -> Turn:
        """The key of what is drawn for it in the next step."""
        return Turn(self.seed, self.index, self.step)

    @property
    def limits(self) -> tuple[float, float]:
        """How far it may lean in the next step."""
        return limits_at(self.options, self.walk.noisiness(self.stop))

    @property
    def depth(self) -> int:
        """Former answers that its sampler has."""
        return len(self.history)


class ClipDiffusion:
    """The method; see the module's docstring."""

    def load(self, request: DreamRequest, runtime: Runtime) -> None:
        """Nets and perceptors into memory; refuses words that the model cannot read at all, and walks it cannot go."""
        model, options = MODELS[request.model], request.options
        assert isinstance(options, ClipDiffusionOptions)
        readable(request, model)
        net = load_diffusion_net(model.name, runtime)
        net.walk(options.spacing)
        if options.class_id >= 0 and not net.flags.class_cond:
            raise InvalidRequest(f"class_id={options.class_id} needs a net with classes; {model.title} has none.")
        if options.gradient == "secondary":
            check_sides(_sides(request, model))
            load_secondary(runtime)
        for clip in (*_guiding(options, model), *([Weighted(model.perceptor)] if net.flags.context_dim else [])):
            runtime.perceptor(clip.name)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Sample]:
        """One sample per picture: x_T drawn (or what it starts from, made noisy), prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, ClipDiffusionOptions)
        model, options = MODELS[request.model], request.options
        net = load_diffusion_net(model.name, runtime)
        prompts, notes = readable(request, model)
        pictures, walk = decode(request, images, runtime.device), net.walk(options.spacing)
        recipe = recipe_at(options, walk.noisiness(len(walk) - 1))

        def eye(clip: Weighted) -> Eye:
            return Eye(clip.name, make_targets(runtime.perceptor(clip.name), prompts, pictures, recipe), clip.weight)

        eyes = tuple(eye(clip) for clip in _guiding(options, model))
        own = next((e for e in eyes if e.perceptor == model.perceptor), None)
        if own is None:
            own = eye(Weighted(model.perceptor)) if net.flags.context_dim else eyes[0]
        return [
            Sample(
                job_id=job.id,
                index=index,
                steps=options.steps - options.skip_steps,
                step=0,
                model=model,
                options=options,
                seed=request.seed,
                walk=walk,
                x=start.x,
                start=start,
                eyes=eyes,
                own=own,
                reading=read(own.targets) if net.flags.context_dim and options.cfg_scale else None,
                notes=notes,
                thrift=runtime.lessons.get(_kind(model, start.x, options), 0),
            )
            for index, start in enumerate(
                make_starts(request, options, walk, images, _sides(request, model), runtime.device)
            )
        ]

    def lane(self, state: Sample) -> Hashable:
        """Equal for samples that one forward pass can serve."""
        reading, options, pull = state.reading, state.options, state.pull
        reads = reading is not None, reading is not None and reading.unwanted is not None, options.cfg_scale != 1
        solver = options.sampler, _begins(state), options.gradient
        frame = state.start.mask is not None, options.seamless, _margin(state)
        frugal = state.thrift, state.bucket
        return state.model.name, tuple(state.x.shape), pull.shape, pull.acts, reads, solver, frame, frugal

    def lighten(self, state: Sample, runtime: Runtime) -> bool:
        """First the net remembers less, then CLIP looks at fewer cuts at once; later pictures of its kind begin so."""
        pull = state.pull
        if not pull.acts or (state.thrift and (pull.parts == pull.recipe.total or not pull.scales.clip)):
            return False
        state.thrift += 1
        runtime.lessons[_kind(state.model, state.x, state.options)] = state.thrift
        return True

    def advance(self, states: list[Sample], runtime: Runtime) -> list[Step]:
        """One denoising step for each."""
        net = load_diffusion_net(states[0].model.name, runtime)
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        move = _step(net, batch, runtime)
        alive = move.x.isfinite().flatten(1).all(1).tolist()
        dtype = str(net.net.torso_dtype).removeprefix("torch.")
        guides = [runtime.perceptor(eye.perceptor) for eye in states[0].eyes]
        resolved = {"weights": net.sha256, "dtype": dtype, "bucket": bucket, **named(*guides)}
        return [
            _commit(state, move, i, runtime, resolved) if alive[i] else Failed(_broken(state))
            for i, state in enumerate(states)
        ]


METHOD = ClipDiffusion()


def _step(net: DiffusionNet, batch: Sequence[Sample], runtime: Runtime) -> Move:
    """Where every sample of the batch is one stop further on."""
    sampler, moved = batch[0].options.sampler, _moved(batch)
    guidance = _guidance(batch, runtime, moved)
    net.net.thrifty = batch[0].thrift > 0
    denoise = _denoiser(net, batch)
    if moved:
        across, down = (batch[0].options.seamless in (word, "both") for word in ("across", "down"))
        margin = _margin(batch[0])
        denoise = wandering(denoise, *moved, (margin * down, margin * across))
    stand = _stand(batch, SOLVERS[sampler].memory, runtime)
    move = SOLVERS[sampler].step(
        stand, lambda x, moments: guidance.ask(denoise, x, moments, clips=net.flags.predict_xstart)
    )
    return Move(_symmetric(batch, move.x), move.pred_xstart, move.memory)


def _denoiser(net: DiffusionNet, batch: Sequence[Sample]) -> Denoiser:
    """The net, told what each sample is to be."""
    classes = torch.tensor([_class_of(s) for s in batch], device=batch[0].x.device) if net.flags.class_cond else None
    return reading_denoiser(net, [s.reading for s in batch], [s.options.cfg_scale for s in batch], classes)


def _class_of(sample: Sample) -> int:
    """The class that was chosen, or another one in every step, which keeps the net from settling on any."""
    if sample.options.class_id >= 0:
        return sample.options.class_id
    return int(uniform(sample.seed, sample.index, sample.step, "class", (1,)) * sample.model.classes)


def _guidance(batch: Sequence[Sample], runtime: Runtime, moved: tuple[Tensor, Tensor] | None) -> Guidance:
    first = batch[0]
    device, through = runtime.device, first.options.gradient
    inits, masks = [s.start.init for s in batch], [s.start.mask for s in batch]
    masked = first.start.mask is not None
    return Guidance(
        perceptors=[runtime.perceptor(eye.perceptor) for eye in first.eyes],
        pulls=[s.pull for s in batch],
        turns=[s.turn for s in batch],
        limits=torch.tensor([s.limits for s in batch], device=device),
        blended=torch.tensor([s.options.sees == "blended" for s in batch]),
        gradient=through,
        secondary=load_secondary(runtime) if through == "secondary" else None,
        moved=moved,
        stay=Stay(_stacked(inits), _stacked(masks)) if masked else None,
    )


def _stand(batch: Sequence[Sample], memory: int, runtime: Runtime) -> Stand:
    """Everything that a sampler has to know about the batch."""
    x = torch.stack([s.x for s in batch])
    blank = torch.zeros_like(batch[0].x)
    rows = [torch.stack([s.history[k] if k < s.depth else blank for s in batch]) for k in range(memory)]
    fresh = [noise(s.seed, s.index, s.step, "eta", s.x.shape) for s in batch]
    former = [s.walk.at(s.stop + 1).alpha_bar if s.depth else 0.0 for s in batch]
    return Stand(
        x=x,
        moments=stack([s.walk.at(s.stop) for s in batch]),
        ahead=stack([s.walk.at(max(s.stop - 1, 0)) for s in batch]),
        history=torch.stack(rows) if rows else x.new_zeros(0, *x.shape),
        depth=torch.tensor([s.depth for s in batch]),
        former_alpha_bar=per_sample(torch.tensor(former, dtype=torch.float64)),
        eta=per_sample(torch.tensor([s.options.eta for s in batch], dtype=torch.float64)),
        order=torch.tensor([_order(s.options) for s in batch]),
        noise=torch.stack(fresh).to(runtime.device),
    )


def _moved(batch: Sequence[Sample]) -> tuple[Tensor, Tensor] | None:
    """How far down and across nets see each picture moved, so that its seams are everywhere and nowhere."""
    if batch[0].options.seamless == "none":
        return None
    draws = torch.stack([uniform(s.seed, s.index, s.step, "seam", (2,)) for s in batch])
    down, across = ((draws[:, i] * batch[0].x.shape[1 + i]).long() for i in range(2))
    wishes = [s.options.seamless for s in batch]
    return (
        down * torch.tensor([wish in ("down", "both") for wish in wishes]),
        across * torch.tensor([wish in ("across", "both") for wish in wishes]),
    )


def _symmetric(batch: Sequence[Sample], x: Tensor) -> Tensor:
    wishes = torch.tensor([axes(s.options) for s in batch])
    held = torch.tensor([(s.step + 1) / s.steps <= s.options.symmetry_until for s in batch])
    return mirrored(x, wishes[:, 0] & held, wishes[:, 1] & held)


def _commit(state: Sample, move: Move, i: int, runtime: Runtime, resolved: Mapping[str, object]) -> Step:
    """The step has succeeded: the sample takes its new x, and remembers."""
    facts: dict[str, object] = {}
    if state.step + 1 == state.steps:
        perceptor = runtime.perceptor(state.own.perceptor)
        facts = judge(perceptor, to_unit(move.x[i]), state.own.targets)
    state.x, state.step = move.x[i].clone(), state.step + 1
    if move.memory is not None:
        most = SOLVERS[state.options.sampler].memory
        state.history = (move.memory[i].clone(), *state.history)[:most]
    if state.step < state.steps:
        shown = move.pred_xstart[i].clone()
        return Running(state.step, state.steps, lambda: to_image(to_unit(shown)))
    return Finished(to_image(to_unit(state.x)), facts | {"notes": list(state.notes), "resolved": dict(resolved)})


def _broken(state: Sample) -> NotFinite:
    return NotFinite(
        f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}; "
        "a smaller clip_guidance_scale or clamp_max usually helps."
    )


def _begins(state: Sample) -> bool:
    """Whether its next step is the double one that PLMS begins with."""
    here = state.walk.at(state.stop)
    able = bool(can_begin(torch.tensor(here.alpha_bar), torch.tensor(here.alpha_bar_prev)))
    return state.options.sampler == "plms" and _order(state.options) > 1 and not state.history and able


def _margin(state: Sample) -> int:
    """How much of the picture the net sees repeated beyond its edges, in pixels: late, when a seam would stay."""
    late = state.options.seamless != "none" and state.walk.noisiness(state.stop) < SEAM_BELOW
    return state.model.multiple // state.model.scale if late else 0


def _kind(model: Model, x: Tensor, options: ClipDiffusionOptions) -> Hashable:
    """Pictures of one kind take equally much memory."""
    return METHOD_NAME, model.name, tuple(x.shape), str(options.cutouts), options.perceptors


def _guiding(options: ClipDiffusionOptions, model: Model) -> tuple[Weighted, ...]:
    return read_perceptors(options.perceptors, model.perceptor)


def _order(options: ClipDiffusionOptions) -> int:
    return options.order or PLMS_ORDER


def _sides(request: DreamRequest, model: Model) -> tuple[int, int]:
    """Height and width at the net's own size."""
    return request.height // model.scale, request.width // model.scale


def _stacked(pictures: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([picture for picture in pictures if picture is not None])
