"""Which of the training steps a shorter walk uses: ``ddim50``, ``50`` or ``10,15,25``, as guided-diffusion reads them.

Also, which moments those are: a `Moment` is one stop of that walk, a `Moments` one stop per sample of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

import torch
from torch import Tensor

from engine.errors import InvalidRequest
from engine.tensors import per_sample


def respace(steps: int, spec: str) -> tuple[int, ...]:
    """The timesteps, rising, that *spec* picks out of *steps*.

    ``ddimN``: N steps at one integer stride. ``N``: N steps evenly over the whole range, both ends included.
    ``a,b,c``: the range in equal sections, with a, b and c steps evenly in each.
    Raises InvalidRequest, with the nearest value that works, where there is no such walk.
    """
    text = spec.strip()
    if text.startswith("ddim"):
        return _strided(steps, _count(text.removeprefix("ddim"), spec))
    counts = [_count(part, spec) for part in text.split(",")]
    return _sections(steps, counts)


def ddim_counts(steps: int) -> tuple[int, ...]:
    """All N for which ``ddimN`` exists: some integer stride meets exactly N of *steps* timesteps."""
    return tuple(sorted({len(range(0, steps, stride)) for stride in range(1, steps + 1)}))


@dataclass(frozen=True, slots=True)
class Moment:
    """One stop: the timestep as the net knows it, ᾱ there, and ᾱ at the stop that comes next (1 at the end)."""

    timestep: float
    alpha_bar: float
    alpha_bar_prev: float
    log_variance_small: float
    log_variance_large: float


@dataclass(frozen=True, slots=True)
class Moments:
    """One stop for each sample. Float64 on the CPU, [N, 1, 1, 1]; *timestep* is [N].

    The coefficients that samplers make from these are rounded only when they meet a picture: `coefficient.to(x)`.
    """

    timestep: Tensor
    alpha_bar: Tensor
    alpha_bar_prev: Tensor
    log_variance_small: Tensor
    """log of the posterior's variance (Ho et al. 2020, eq. 7); at the last stop, that of the last but one."""
    log_variance_large: Tensor
    """log β of the walk."""


@dataclass(frozen=True)
class Walk:
    """The stops of a respaced process. *timesteps* rise, so stop 0 is the last before the picture."""

    timesteps: tuple[int, ...]
    alphas_cumprod: Tensor
    """ᾱ at the stops: [len(timesteps)], float64."""
    timestep_scale: float = 1.0
    """What the net's timesteps are multiplied by, for nets whose training had other than 1000 steps."""

    def __len__(self) -> int:
        return len(self.timesteps)

    def at(self, stop: int) -> Moment:
        """The moment of that stop."""
        return self._moments[stop]

    @cached_property
    def _moments(self) -> tuple[Moment, ...]:
        bar = self.alphas_cumprod
        prev = torch.cat([bar.new_ones(1), bar[:-1]])
        beta = 1 - bar / prev
        variance = beta * (1 - prev) / (1 - bar)
        variance[0] = variance[1] if len(variance) > 1 else 1e-20  # β̃ is 0 at the last stop, and its log infinite
        timesteps = [t * self.timestep_scale for t in self.timesteps]
        columns = (timesteps, bar.tolist(), prev.tolist(), variance.log().tolist(), beta.log().tolist())
        return tuple(Moment(*row) for row in zip(*columns, strict=True))


def make_walk(alphas_cumprod: Tensor, spec: str, rescale_timesteps: bool = False) -> Walk:
    """Respace the process with these ᾱ (of all training steps) by *spec*; see `respace` for what that may be."""
    steps = len(alphas_cumprod)
    timesteps = respace(steps, spec)
    return Walk(timesteps, alphas_cumprod[list(timesteps)], 1000 / steps if rescale_timesteps else 1.0)


def stack(moments: Sequence[Moment]) -> Moments:
    """One moment per sample → their batch."""
    rows = torch.tensor([astuple(m) for m in moments], dtype=torch.float64)
    return Moments(rows[:, 0].float(), *(per_sample(column) for column in rows[:, 1:].unbind(1)))


def _count(text: str, spec: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InvalidRequest(f"“{spec}” is no way to space the steps; it looks like 50, ddim50 or 10,15,25.")
    return int(text)


def _strided(steps: int, count: int) -> tuple[int, ...]:
    for stride in range(1, steps + 1):
        if len(range(0, steps, stride)) == count:
            return tuple(range(0, steps, stride))
    nearest = min(ddim_counts(steps), key=lambda n: (abs(n - count), n))
    raise InvalidRequest(
        f"ddim{count} does not exist: no whole stride meets {count} of {steps} steps; "
        f"the nearest that does is ddim{nearest}, and plain {count} works too."
        if count <= steps
        else f"{count} steps are more than the {steps} that the net was trained with; {steps} is the most."
    )


def _sections(steps: int, counts: Sequence[int]) -> tuple[int, ...]:
    """As many equal sections as counts, the earlier ones longer by one where it does not divide."""
    size, extra = divmod(steps, len(counts))
    start, picked = 0, list[int]()
    for i, count in enumerate(counts):
        length = size + (1 if i < extra else 0)
        if count > length:
            raise InvalidRequest(f"{count} steps do not fit into a section of {length}; {length} is the most.")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        position = 0.0
        for _ in range(count):
            picked.append(start + round(position))
            position += stride  # summed, not multiplied: so the reference does, and ties round by it
        start += length
    return tuple(picked)
