"""What several methods share: batches, the init image, and with guidance the state of an image, its objective in a
step, the targets of each phase, and the offsets of seamless images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from PIL import Image
from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.cutouts import CutRecipe
from engine.guidance.objective import ClipTarget, Objective, Scales
from engine.guidance.targets import decode, judge, make_targets, power_of_two
from engine.images.opening import open_own
from engine.images.pictures import fit
from engine.images.tensors import to_signed, to_tensor, uniform
from engine.perceptors.perceptor_loader import cut_short, load_perceptor, readable
from engine.protocol.replay_record import StepLog
from engine.requests.options.clip_views import Weighted, read_augment
from engine.requests.prompts import check_weights, phases_of, reached
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider

CPU = torch.device("cpu")


class Batched(Protocol):
    """A state whose steps depend on the size of the batch."""

    bucket: int


S = TypeVar("S", bound=Batched)


def filled(states: Sequence[S], device: torch.device) -> list[S]:
    """*states*, filled up with copies of the first to the size of the batch.

    On a CPU the size is the number of states. On other devices it is rounded up to a power of two, so that kernels are
    chosen for few sizes. `State.bucket` is the least size: a replay repeats the batch that an image was painted in.
    """
    wanted = len(states) if device.type == "cpu" else power_of_two(len(states))
    return [*states, *[states[0]] * (max(wanted, states[0].bucket) - len(states))]


def sides_of(request: DreamRequest) -> tuple[int, int]:
    """Height and width that the model paints, before its finishing upscale."""
    scale = MODELS[request.model].scale
    return request.height // scale, request.width // scale


def init_image(request: DreamRequest, images: Mapping[str, bytes], device: torch.device) -> Tensor | None:
    """The init image, [3, H, W] in [-1, 1]; None for a request without one."""
    return signed_image(request.init_image, images, sides_of(request), request.options.init_fit, device)


def signed_image(
    sha256: str,
    images: Mapping[str, bytes],
    sides: tuple[int, int],
    how: str,
    device: torch.device = CPU,
    border: str = "",
    opened: Callable[[bytes], Image.Image] = open_own,
) -> Tensor | None:
    """The image of that hash, fitted to *sides* as `fit` does: [3, H, W] in [-1, 1]; None for an empty hash."""
    if not sha256:
        return None
    height, width = sides
    return to_signed(to_tensor(fit(opened(images[sha256]), width, height, how, border))).to(device)


class PhaseTargets(NamedTuple):
    """The targets of one phase."""

    since: float
    """As in `Prompt.since`; 0 for the first phase."""
    clip_targets: tuple[ClipTarget, ...]
    """The CLIPs that guide."""
    own: ClipTarget
    """The CLIP that scores the finished image, by the prompts of the last phase."""


Phases = tuple[PhaseTargets, ...]


@dataclass(kw_only=True)
class GuidedImage(ABC):
    """The state of one image: a `State`. Methods add what changes with each step."""

    job_id: str
    index: int
    steps: int
    step: int = 0
    model: Model
    options: Any
    seed: int
    phases: Phases
    """The targets of each phase of the prompts' timeline."""
    notes: tuple[str, ...]
    bucket: int = 1
    """Smallest batch size of its steps; a replay sets that of the original before each step."""
    memory_level: int = 0
    step_log: StepLog = field(default_factory=StepLog)
    """The conditions under which its steps ran."""
    compiled: bool | None = None
    """Whether its nets run compiled; None = the host's setting. A replay sets that of the original."""

    @property
    def step_of_all(self) -> int:
        """The number of the next step, steps that are skipped included."""
        return int(self.options.steps) - self.steps + self.step

    @property
    def phase(self) -> int:
        """The number of the phase of the next step."""
        begun = (reached(phase.since, self.step_of_all, self.options.steps) for phase in self.phases)
        return max(number for number, has_begun in enumerate(begun) if has_begun)

    @property
    def clip_targets(self) -> tuple[ClipTarget, ...]:
        return self.phases[self.phase].clip_targets

    @property
    def own(self) -> ClipTarget:
        return self.phases[-1].own

    @property
    @abstractmethod
    def timestep(self) -> float:
        """Where schedules are read in the next step, 999 (the first) to 0."""

    @property
    @abstractmethod
    def scales(self) -> Scales:
        """The weight of each loss in the next step."""

    @property
    def init(self) -> Tensor | None:
        """The init image that the objective holds to, [3, H, W] in [-1, 1]."""
        return None

    @property
    def parts(self) -> int:
        """CLIP scores the cutouts in so many parts, one after the other."""
        return int(2**self.memory_level)

    @property
    def objective(self) -> Objective:
        """The objective of the next step."""
        recipe = recipe_at(self.options, self.timestep)
        found = Objective(
            clip_targets=tuple(target.at(self.timestep, recipe) for target in self.clip_targets),
            recipe=recipe,
            scales=self.scales,
            init=self.init,
            distance=getattr(self.options, "distance", "spherical"),
            batches=getattr(self.options, "cut_batches", 1),
        )
        return replace(found, parts=min(self.parts, found.most_cuts))

    def facts(self, shown: Tensor, resolved: Mapping[str, object], runtime: NetProvider) -> dict[str, object]:
        """The facts of the finished image. *shown*: [3, H, W] in [0, 1]."""
        scores = judge(load_perceptor(self.own.perceptor, runtime), shown, self.own.targets)
        return {**scores, "notes": list(self.notes), "resolved": dict(resolved)}


def seam_offsets(batch: Sequence[GuidedImage], sides: tuple[int, int]) -> tuple[Tensor, Tensor] | None:
    """[N] pixels down and across by which to roll images of *sides* (height, width); None if none is seamless."""
    axes = [state.options.seamless for state in batch]
    if all(axis == "none" for axis in axes):
        return None
    draws = torch.stack([uniform(s.seed, s.index, s.step, "seam", (2,)) for s in batch])
    down, across = (torch.tensor([axis in (word, "both") for axis in axes]) for word in ("down", "across"))
    return (draws[:, 0] * sides[0]).long() * down, (draws[:, 1] * sides[1]).long() * across


def make_phases(
    request: DreamRequest,
    images: Mapping[str, bytes],
    runtime: NetProvider,
    guides: Sequence[Weighted],
    own: str,
    recipe: CutRecipe,
) -> tuple[Phases, tuple[str, ...]]:
    """The targets of every phase, and notes for the request's owner. *own*: the CLIP that scores the finished image.

    A guide without random directions or noise that is that CLIP shares its targets.
    """
    options = request.options
    prompts, notes = readable(request, MODELS[request.model])
    check_weights((*prompts, *options.direction_weights))
    pictures, fuzzy = decode(request, images, runtime.device), getattr(options, "fuzzy", 0.0)
    phases = []
    for phase in phases_of(prompts):
        scores = ClipTarget(own, make_targets(load_perceptor(own, runtime), phase.prompts, pictures, recipe))
        guiding = []
        for clip in guides:
            if clip == Weighted(own) and not (options.directions or fuzzy):
                guiding.append(scores)
                continue
            perceptor = load_perceptor(clip.name, runtime)
            found = make_targets(perceptor, phase.prompts, pictures, recipe, options.directions, fuzzy)
            guiding.append(ClipTarget(clip.name, found, float(clip.weight.largest), guide=clip))
        phases.append(PhaseTargets(phase.since, tuple(guiding), scores))
    names = dict.fromkeys((own, *(clip.name for clip in guides)))
    return tuple(phases), notes + cut_short(prompts, (load_perceptor(name, runtime) for name in names))


def recipe_at(options: Any, timestep: float) -> CutRecipe:
    """The cutouts at *timestep*, 999 (the first step) to 0."""
    return CutRecipe(
        count=int(value_at(options.cutouts, timestep)),
        power=value_at(options.cut_power, timestep),
        flip=options.flip,
        gray=value_at(options.gray, timestep),
        noise=options.cut_noise,
        kind=getattr(options, "cut_kind", "mixed"),
        overview=int(value_at(getattr(options, "overview", 0), timestep)),
        augment=read_augment(options.augment),
    )


def value_at(option: Any, timestep: float) -> float:
    """The value of a number, or of a schedule at *timestep*."""
    return float(option.at(timestep) if hasattr(option, "at") else option)
