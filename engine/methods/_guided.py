"""What methods with guidance share: the state of an image, its objective in a step, and the targets of each phase."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import Tensor

from engine.catalogue.models import MODELS, Model
from engine.guidance.cutouts import CutRecipe
from engine.guidance.objective import ClipTarget, Objective, Scales
from engine.guidance.targets import decode, judge, make_targets
from engine.perceptors.perceptor_loader import cut_short, load_perceptor, readable
from engine.protocol.replay_record import StepLog
from engine.requests.options.clip_views import Weighted, read_augment
from engine.requests.prompts import check_weights, phases_of, reached
from engine.requests.request import DreamRequest
from engine.runtime.runtime import NetProvider


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
    def like(self) -> Tensor | None:
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
            init=self.like,
            distance=getattr(self.options, "distance", "spherical"),
            lots=getattr(self.options, "cut_batches", 1),
        )
        return replace(found, parts=min(self.parts, found.most_cuts))

    def facts(self, shown: Tensor, resolved: Mapping[str, object], runtime: NetProvider) -> dict[str, object]:
        """The facts of the finished image. *shown*: [3, H, W] in [0, 1]."""
        scores = judge(load_perceptor(self.own.perceptor, runtime), shown, self.own.targets)
        return {**scores, "notes": list(self.notes), "resolved": dict(resolved)}


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
