"""The targets of an image in each phase of its prompts' timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.guidance.objective import ClipTarget
from engine.methods._diffusion.text_conditioning import TextCondition
from engine.requests.prompts import Prompt, phases_of
from engine.requests.timeline import reached


@dataclass(frozen=True, slots=True)
class PhaseTargets:
    """The targets of one phase."""

    since: float
    """As in `Prompt.since`; 0 for the first phase."""
    clip_targets: tuple[ClipTarget, ...]
    """The CLIPs that guide."""
    own: ClipTarget
    """The CLIP that scores the finished image, by the prompts of the last phase."""
    condition: TextCondition | None = None
    """The condition of a network that reads text."""


Phases = tuple[PhaseTargets, ...]


def make_phases(prompts: Sequence[Prompt], make: Callable[[float, tuple[Prompt, ...]], PhaseTargets]) -> Phases:
    """The results of *make* for every phase of *prompts*, in order."""
    return tuple(make(phase.since, phase.prompts) for phase in phases_of(prompts))


def phase_at(phases: Phases, step: int, steps: int) -> PhaseTargets:
    """The phase of *step* (from 0) of *steps*."""
    return next(phase for phase in reversed(phases) if reached(phase.since, step, steps))
