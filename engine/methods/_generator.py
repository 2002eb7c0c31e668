"""Methods with a generator: a frozen net makes a picture of numbers, and Adam (Kingma & Ba 2015) moves those.

A method of this kind says which net it is, where its numbers begin, what picture they make, what draws them beside
CLIP, and how they move; loading, prompts, batches, snapshots, facts and failures are the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.objective import ClipTarget, objective_gradient
from engine.guidance.perceptor_loader import load_perceptor
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.turn import NoiseKey
from engine.guidance.verdict import judge, named
from engine.guidance.vocabulary_check import cut_short, readable
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import to_image, to_signed, to_tensor, to_unit
from engine.methods._adam import broken, look_at_fewer
from engine.methods._base import Failed, Finished, Running, Step
from engine.methods._guided import Guided, recipe_at
from engine.protocol.messages import Job
from engine.protocol.step_log import StepConditions
from engine.requests.clip_weights import Weighted, read_perceptors
from engine.requests.options.generator_methods import GeneratedOptions
from engine.requests.prompts import check_weights
from engine.requests.request import DreamRequest
from engine.requests.schedule import TIMESTEPS
from engine.runtime.provider import NetProvider


class Generator(Protocol):
    """The net behind a method."""

    @property
    def sha256(self) -> str:
        """Of its weights."""
        ...


G = TypeVar("G", bound=Guided)
N = TypeVar("N", bound=Generator)


@dataclass(frozen=True, slots=True)
class Start:
    """Where one picture begins: its numbers, what it holds on to of an init picture, and notes for the person."""

    numbers: Tensor
    held: Tensor | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a job's pictures begin from: the request, its pictures' bytes, and the first of the CLIPs that guide."""

    request: DreamRequest
    images: Mapping[str, bytes]
    eye: ClipTarget
    runtime: NetProvider

    @property
    def init(self) -> Tensor | None:
        """The init picture at the size of the net's own, [3, H, W] in [-1, 1]."""
        if not self.request.init_image:
            return None
        height, width = self.sides
        picture = open_own(self.images[self.request.init_image])
        return to_signed(to_tensor(fit(picture, width, height))).to(self.runtime.device)

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width at the net's own size."""
        scale = MODELS[self.request.model].scale
        return self.request.height // scale, self.request.width // scale


class ByGenerator(ABC, Generic[G, N]):
    """All of a method but its generator."""

    name: str
    state: type[G]

    @abstractmethod
    def net(self, model: Model, runtime: NetProvider) -> N:
        """The net of that model, loaded once. Raises DreamErrors in words."""

    @abstractmethod
    def starts(self, net: N, beginning: Beginning) -> Iterator[Start]:
        """One for each picture of the request, in order."""

    @abstractmethod
    def paint(self, net: N, batch: Sequence[G], numbers: Tensor) -> Tensor:
        """[N, …] → [N, 3, H, W] in [-1, 1], differentiable, each row by itself."""

    @abstractmethod
    def own_gradient(self, batch: Sequence[G]) -> Tensor:
        """Of what draws the numbers beside CLIP: [N, …]."""

    @abstractmethod
    def moved(self, net: N, batch: Sequence[G], gradient: Tensor) -> Mapping[str, Tensor]:
        """What a step changes of the states, by name: `numbers`, `mean`, `square`, and what else a method keeps."""

    def shown(self, changed: Mapping[str, Tensor]) -> Tensor:
        """The numbers of the finished picture."""
        return changed["numbers"]

    def load(self, request: DreamRequest, runtime: NetProvider) -> None:
        """Net and perceptors into memory; refuses words that the model cannot read at all."""
        model = MODELS[request.model]
        readable(request, model)
        self.net(model, runtime)
        for clip in (*_guiding(_options(request), model), Weighted(model.perceptor)):
            load_perceptor(clip.name, runtime)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: NetProvider) -> list[G]:
        """One state per picture, prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest)
        model, options = MODELS[request.model], _options(request)
        own, clip_targets, notes = _eyes(request, images, runtime)
        starts = self.starts(self.net(model, runtime), Beginning(request, images, clip_targets[0], runtime))
        return [
            self.state(
                job_id=job.id,
                index=index,
                steps=options.steps,
                step=0,
                model=model,
                options=options,
                seed=request.seed,
                clip_targets=clip_targets,
                own=own,
                notes=(*notes, *start.notes),
                numbers=start.numbers.clone(),
                held=start.held,
                mean=torch.zeros_like(start.numbers),
                square=torch.zeros_like(start.numbers),
                memory_level=runtime.memory.level(self._kind(model, start.numbers, options)),
            )
            for index, start in enumerate(starts)
        ]

    def batch_key(self, state: G) -> Hashable:
        """Equal for pictures that one pass can serve."""
        return state.batch_key

    def reduce_memory(self, state: G, runtime: NetProvider) -> bool:
        """A replay gives up its batch; then CLIP looks at half as many cuts at once; later pictures begin so."""
        kind = self._kind(state.model, state.numbers, state.options)
        return look_at_fewer(state, kind, state.objective.recipe.total, runtime)

    def advance(self, states: list[G], runtime: NetProvider) -> list[Step]:
        """One step of the optimiser for each."""
        net = self.net(states[0].model, runtime)
        guides = [load_perceptor(eye.perceptor, runtime) for eye in states[0].clip_targets]
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        with torch.enable_grad():
            numbers = torch.stack([s.numbers for s in batch]).requires_grad_()
            picture = self.paint(net, batch, numbers)
        noise_keys = [NoiseKey(s.seed, s.index, s.step) for s in batch]
        wanted, compiled = runtime.compiler.step(
            (self.name, states[0].batch_key, bucket),
            lambda: objective_gradient(guides, picture, [s.objective for s in batch], noise_keys),
            states[0].compiled,
        )
        (gradient,) = torch.autograd.grad(picture, numbers, wanted)
        own = self.own_gradient(batch)
        with torch.no_grad():
            changed = self.moved(net, batch, gradient + own)
            last = any(s.step + 1 == s.steps for s in states)
            shown = to_unit(self.paint(net, batch, self.shown(changed)) if last else picture.detach())
        alive = torch.stack([_finite(values) for values in changed.values()]).all(0).tolist()
        terms = StepConditions(bucket, torch.get_num_threads(), states[0].memory_level, compiled)
        resolved = {"weights": net.sha256, "dtype": "float32", "bucket": bucket, **named(*guides)}
        return [
            _commit(s, {key: values[i] for key, values in changed.items()}, shown[i], runtime, terms, resolved)
            if alive[i]
            else Failed(broken(s))
            for i, s in enumerate(states)
        ]

    def _kind(self, model: Model, numbers: Tensor, options: GeneratedOptions) -> Hashable:
        """Pictures of one kind take equally much memory."""
        return self.name, model.name, tuple(numbers.shape), str(options.cutouts), options.perceptors


def _finite(values: Tensor) -> Tensor:
    """[N]: whose numbers all are numbers."""
    return values.isfinite().flatten(1).all(1)


def _commit(
    state: Guided,
    changed: Mapping[str, Tensor],
    shown: Tensor,
    runtime: NetProvider,
    terms: StepConditions,
    resolved: Mapping[str, object],
) -> Step:
    """The step has succeeded: the state takes its new numbers. *shown*: the picture, [3, H, W] in [0, 1]."""
    finishes = state.step + 1 == state.steps
    facts = judge(load_perceptor(state.own.perceptor, runtime), shown, state.own.targets) if finishes else {}
    for name, values in changed.items():
        setattr(state, name, values.clone())
    state.step, state.step_log = state.step + 1, state.step_log.then(terms)
    if not finishes:
        kept = shown.clone()
        return Running(state.step, state.steps, lambda: to_image(kept))
    facts |= {"notes": list(state.notes), "resolved": {**resolved, "course": state.step_log.rows}}
    return Finished(to_image(shown), facts)


def _eyes(
    request: DreamRequest, images: Mapping[str, bytes], runtime: NetProvider
) -> tuple[ClipTarget, tuple[ClipTarget, ...], tuple[str, ...]]:
    """Who judges, who guides, and notes for the person."""
    model, options = MODELS[request.model], _options(request)
    prompts, notes = readable(request, model)
    check_weights((*prompts, *options.direction_weights))
    pictures = decode(request, images, runtime.device)
    recipe = recipe_at(options, TIMESTEPS - 1)

    def eye(clip: Weighted, directions: tuple[tuple[int, float], ...]) -> ClipTarget:
        found = make_targets(load_perceptor(clip.name, runtime), prompts, pictures, recipe, directions)
        return ClipTarget(clip.name, found, clip.weight)

    own = eye(Weighted(model.perceptor), ())
    guiding = tuple(eye(clip, options.directions) for clip in _guiding(options, model))
    notes += cut_short(prompts, (load_perceptor(e.perceptor, runtime) for e in (own, *guiding)))
    return own, guiding, notes


def _options(request: DreamRequest) -> GeneratedOptions:
    assert isinstance(request.options, GeneratedOptions)
    return request.options


def _guiding(options: GeneratedOptions, model: Model) -> tuple[Weighted, ...]:
    return read_perceptors(options.perceptors, model.perceptor)
