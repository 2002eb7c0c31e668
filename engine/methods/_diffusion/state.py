"""One picture on its way through clip_diffusion, and all that its next step has to know about it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from engine.catalogue.model_info import Model
from engine.diffusion.respacing import RespacedSchedule
from engine.diffusion.solvers import can_begin
from engine.guidance.noise_key import NoiseKey
from engine.guidance.objective import ClipTarget, Objective
from engine.guidance.schedule_values import limits_at, objective_at
from engine.images.tensors import uniform
from engine.methods._diffusion.initial_latents import InitialLatents
from engine.methods._diffusion.phases import Phases, PhaseTargets, phase_at
from engine.methods._diffusion.text_conditioning import TextCondition
from engine.protocol.step_log import StepLog
from engine.requests.options.clip_diffusion import USUAL_ORDER, ClipDiffusionOptions

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
    schedule: RespacedSchedule
    x: Tensor
    """[3, H, W], noisy, in [-1, 1] and beyond."""
    start: InitialLatents
    phases: Phases
    """The targets of each phase of the prompts' timeline."""
    notes: tuple[str, ...]
    lpips: bool = False
    """Whether `init_distance=lpips` is measured by VGG16; otherwise by the first CLIP."""
    history: tuple[Tensor, ...] = ()
    """What the sampler has to remember of former steps, the newest first."""
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time, step by step."""
    memory_level: int = 0
    """How much memory its steps save, at the cost of time: 1 = the net remembers less, beyond that CLIP looks at half
    as many cuts at once, a quarter …"""
    step_log: StepLog = field(default_factory=StepLog)
    """How its steps were run."""
    compiled: bool | None = None
    """Whether its nets run compiled; None = as it comes, a replay sets that of the first time."""

    @property
    def stop(self) -> int:
        """Where on its walk the next step begins; the last is 0."""
        return self.steps - self.step - 1

    @property
    def phase(self) -> PhaseTargets:
        """The phase of the next step."""
        return phase_at(self.phases, self.step_of_all, self.options.steps)

    @property
    def clip_targets(self) -> tuple[ClipTarget, ...]:
        """The CLIPs that guide the next step."""
        return self.phase.clip_targets

    @property
    def own(self) -> ClipTarget:
        """The CLIP that scores the finished picture."""
        return self.phases[-1].own

    @property
    def condition(self) -> TextCondition | None:
        """The condition of a net that reads text in the next step."""
        return self.phase.condition

    @property
    def step_of_all(self) -> int:
        """The number of the next step, steps that are skipped included."""
        return self.options.steps - self.stop - 1

    @property
    def objective(self) -> Objective:
        """What draws it in the next step."""
        at = self.schedule.noisiness(self.stop)
        found = objective_at(self.options, self.clip_targets, self.start.init, at, self.step_of_all)
        if self.memory_level < 2:
            return found
        return replace(found, parts=min(2 ** (self.memory_level - 1), found.most_cuts))

    @property
    def noise_key(self) -> NoiseKey:
        """The key of what is drawn for it in the next step."""
        return NoiseKey(self.seed, self.index, self.step)

    @property
    def limits(self) -> tuple[float, float]:
        """How far it may lean in the next step."""
        return limits_at(self.options, self.schedule.noisiness(self.stop))

    @property
    def depth(self) -> int:
        """Former answers that its sampler has."""
        return len(self.history)

    @property
    def order(self) -> int:
        """Of its sampler's multi-step."""
        return self.options.order or USUAL_ORDER.get(self.options.sampler, 1)

    @property
    def begins(self) -> bool:
        """Whether its next step is the double one that PLMS begins with."""
        here = self.schedule.at(self.stop)
        able = bool(can_begin(torch.tensor(here.alpha_bar), torch.tensor(here.alpha_bar_prev)))
        return self.options.sampler == "plms" and self.order > 1 and not self.history and able

    @property
    def margin(self) -> int:
        """How much of it the net sees repeated beyond its edges, in pixels: late, when a seam would stay."""
        late = self.options.seamless != "none" and self.schedule.noisiness(self.stop) < SEAM_BELOW
        return self.model.multiple // self.model.scale if late else 0

    @property
    def class_number(self) -> int:
        """The class that was chosen, or another one in every step, which keeps the net from settling on any."""
        if self.options.class_id >= 0:
            return self.options.class_id
        return int(uniform(self.seed, self.index, self.step, "class", (1,)) * self.model.classes)

    @property
    def batch_key(self) -> Hashable:
        """Equal for samples that one forward pass can serve."""
        condition, options, objective = self.condition, self.options, self.objective
        reads = condition is not None, condition is not None and condition.unwanted is not None, options.cfg_scale != 1
        solver = options.sampler, self.begins, options.gradient
        frame = self.start.mask is not None, options.seamless, self.margin
        frugal = self.memory_level, self.bucket, self.compiled
        net = self.model.name, options.adapters
        looks = objective.shape, objective.acts, options.init_distance, self.lpips
        return net, tuple(self.x.shape), looks, reads, solver, frame, frugal
