"""The state from which a run resumes. All of it is checked before any of it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.training.checkpoints import load_state, save_state, unsuitable

STATE = "state.pt"
_KINDS = {
    "step": int,
    "seconds": float,
    "log": list,
    "net": dict,
    "ema": dict,
    "optimizers": list,
    "generator": Tensor,
    "start": str,
    "plan": dict,
    "finished": bool,
}
_UNMARKED: Mapping[str, object] = {"start": "", "plan": {}, "finished": False}
"""States did not always say how their run began and whether it is over."""


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The state of a run between two steps."""

    step: int
    seconds: float
    log: list[dict[str, float]]
    net: Mapping[str, Tensor]
    ema: Mapping[str, Tensor]
    optimizers: Sequence[dict[str, Any]]
    generator: Tensor
    start: str
    """The SHA-256 of the weights that it began with; empty for random ones."""
    plan: Mapping[str, object]
    """All that decides what becomes of it, apart from the code: equal plans end alike."""
    finished: bool

    def write(self, path: Path) -> None:
        """Write the state to *path* atomically."""
        save_state(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> RunState:
        """Read what `write` wrote. Raises WeightsError."""
        state = {**_UNMARKED, **load_state(path)}
        for name, kind in _KINDS.items():
            if not isinstance(state.get(name), kind):
                raise unsuitable(path, f"does not hold its {name}")
        if not _is_generator_state(state["generator"]):
            raise unsuitable(path, "does not hold the state of a random generator")
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in state.items() if name in known})  # type: ignore[arg-type]

    def misfit(self, net: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> str:
        """What is wrong with it for *net* and *optimizers*, to follow “The training state”; nothing if it fits them."""
        own = net.state_dict()
        return _unlike(self.net, own) or _unlike(self.ema, own) or _others(self.optimizers, optimizers)


def refuse_other_start(path: Path, state: RunState, start: str) -> None:
    """Raise WeightsError if *state*, in *path*, is of an unfinished run that did not begin with the weights *start*."""
    if state.finished or state.start == start:
        return
    if state.start:
        raise unsuitable(
            path,
            f"is from an unfinished run that began with other weights (SHA-256 {state.start[:16]}…); "
            "to continue it, give those as --start",
        )
    raise unsuitable(
        path, "is from an unfinished run that did not begin with weights; to continue it, leave --start out"
    )


def _is_generator_state(state: object) -> bool:
    try:
        torch.Generator().set_state(state)  # type: ignore[arg-type]
    except (RuntimeError, TypeError):
        return False
    return True


def _unlike(stored: Mapping[str, object], own: Mapping[str, Tensor]) -> str:
    """How the tensors *stored* differ from a net's *own* in names and shapes."""
    for name, tensor in own.items():
        value = stored.get(name)
        if not isinstance(value, Tensor):
            return f"is of another net: it has no tensor {name}"
        if value.shape != tensor.shape:
            return f"is of another net: its {name} is {list(value.shape)} and not {list(tensor.shape)}"
    strange = next((name for name in stored if name not in own), None)
    return "" if strange is None else f"is of another net: this one has no {strange}"


def _others(stored: Sequence[object], optimizers: Sequence[torch.optim.Optimizer]) -> str:
    if len(stored) != len(optimizers) or not all(map(_continues, stored, optimizers)):
        return "is of another recipe: its optimisers are not those of this one"
    return ""


def _continues(stored: Any, optimizer: torch.optim.Optimizer) -> bool:
    """Whether *stored* has the groups of *optimizer*, and tensors of the shapes of its parameters."""
    own = [group["params"] for group in optimizer.param_groups]
    try:
        numbers = [group["params"] for group in stored["param_groups"]]
        if [len(group) for group in numbers] != [len(group) for group in own]:
            return False
        pairs = zip(chain(*own), chain(*numbers), strict=True)
        return all(_is_moved(parameter, stored["state"].get(number, {})) for parameter, number in pairs)
    except (AttributeError, KeyError, TypeError):
        return False


def _is_moved(parameter: Tensor, moments: Mapping[str, Tensor]) -> bool:
    return all(tensor.shape in ((), parameter.shape) for tensor in moments.values())
