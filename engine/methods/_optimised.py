"""One picture on its way through a method in which Adam moves numbers: what all of these methods keep of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from engine.catalogue.model_info import Model
from engine.protocol.step_log import StepLog


@dataclass(kw_only=True)
class Optimised:
    """`numbers`, their moments and `step` change when a step has succeeded, all else stays."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    seed: int
    notes: tuple[str, ...]
    numbers: Tensor
    """What a picture is made of."""
    mean: Tensor
    square: Tensor
    """Adam's two moments of them."""
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time, step by step."""
    memory_level: int = 0
    """How much memory its steps save, at the cost of time: CLIP looks at half as many cuts at once, a quarter …"""
    step_log: StepLog = field(default_factory=StepLog)
    """How its steps were run."""
    compiled: bool | None = None
    """Whether its nets run compiled; None = as it comes, a replay sets that of the first time."""
