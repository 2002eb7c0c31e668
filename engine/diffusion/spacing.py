"""Selects the training steps that sampling uses: ``ddim50``, ``50`` or ``10,15,25``, as in guided-diffusion.

Requests check the same text, so the module does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidRequest

EVEN = "even"
"""Value of the option `respacing`: the option `steps`, evenly spaced."""


def respace(steps: int, spec: str) -> tuple[int, ...]:
    """The rising timesteps of 0 … steps - 1 that *spec* selects.

    ``ddimN``: N steps at one integer stride. ``N``: N steps evenly over the whole range, both ends included.
    ``a,b,c``: the range in equal sections, with a, b and c steps evenly in each.
    Raises InvalidRequest, with the nearest valid value, for an impossible *spec*.
    """
    strided, counts = read_spacing(spec)
    return _strided(steps, counts[0]) if strided else _sections(steps, counts)


def read_spacing(spec: str) -> tuple[bool, tuple[int, ...]]:
    """Whether *spec* has the form ``ddimN``, and the number of steps per section. Raises InvalidRequest."""
    text = spec.strip()
    strided = text.startswith("ddim")
    parts = [text.removeprefix("ddim")] if strided else text.split(",")
    return strided, tuple(_count(part, spec) for part in parts)


def step_count(spec: str) -> int:
    """Number of steps of *spec*. Raises InvalidRequest."""
    return sum(read_spacing(spec)[1])


def ddim_counts(steps: int) -> tuple[int, ...]:
    """All N for which ``ddimN`` exists: some integer stride selects exactly N of *steps* timesteps."""
    return tuple(sorted({len(range(0, steps, stride)) for stride in range(1, steps + 1)}))


def _count(text: str, spec: str) -> int:
    if not text.strip().isdecimal() or len(text) > 6 or int(text) < 1:
        raise InvalidRequest(f"“{spec}” is not a valid respacing; use a form like 50, ddim50 or 10,15,25.")
    return int(text)


def _strided(steps: int, count: int) -> tuple[int, ...]:
    for stride in range(1, steps + 1):
        if len(range(0, steps, stride)) == count:
            return tuple(range(0, steps, stride))
    nearest = min(ddim_counts(steps), key=lambda n: (abs(n - count), n))
    raise InvalidRequest(
        f"ddim{count} does not exist: no integer stride selects {count} of {steps} steps; "
        f"use ddim{nearest} (nearest) or plain {count}."
        if count <= steps
        else f"{count} steps are more than the {steps} training steps of the network; the limit is {steps}."
    )


def _sections(steps: int, counts: Sequence[int]) -> tuple[int, ...]:
    """One equal section per count; a remainder makes the first sections one step longer."""
    size, extra = divmod(steps, len(counts))
    start, picked = 0, list[int]()
    for i, count in enumerate(counts):
        length = size + (1 if i < extra else 0)
        if count > length:
            raise InvalidRequest(f"{count} steps do not fit into a section of {length}; the limit is {length}.")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        position = 0.0
        for _ in range(count):
            picked.append(start + round(position))
            position += stride  # summed as in the reference, which decides how ties round
        start += length
    return tuple(picked)
