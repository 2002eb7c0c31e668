"""Which of the training steps a shorter walk uses: ``ddim50``, ``50`` or ``10,15,25``, as guided-diffusion reads them.

No torch: the same words are checked where they are typed and where they are walked.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import InvalidRequest

EVEN = "even"
"""As many steps as were asked for, evenly."""


def respace(steps: int, spec: str) -> tuple[int, ...]:
    """The timesteps, rising, that *spec* picks out of *steps*.

    ``ddimN``: N steps at one integer stride. ``N``: N steps evenly over the whole range, both ends included.
    ``a,b,c``: the range in equal sections, with a, b and c steps evenly in each.
    Raises InvalidRequest, with the nearest value that works, where there is no such walk.
    """
    strided, counts = read_spacing(spec)
    return _strided(steps, counts[0]) if strided else _sections(steps, counts)


def read_spacing(spec: str) -> tuple[bool, tuple[int, ...]]:
    """Whether *spec* asks for one stride, and the number of steps of each section. Raises InvalidRequest."""
    text = spec.strip()
    strided = text.startswith("ddim")
    parts = [text.removeprefix("ddim")] if strided else text.split(",")
    return strided, tuple(_count(part, spec) for part in parts)


def step_count(spec: str) -> int:
    """How many steps *spec* makes; raises InvalidRequest for what is no spacing."""
    return sum(read_spacing(spec)[1])


def ddim_counts(steps: int) -> tuple[int, ...]:
    """All N for which ``ddimN`` exists: some integer stride meets exactly N of *steps* timesteps."""
    return tuple(sorted({len(range(0, steps, stride)) for stride in range(1, steps + 1)}))


def _count(text: str, spec: str) -> int:
    if not text.strip().isdecimal() or len(text) > 6 or int(text) < 1:
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
        else f"{count} steps are more than the {steps} that the net was trained with; the limit is {steps}."
    )


def _sections(steps: int, counts: Sequence[int]) -> tuple[int, ...]:
    """As many equal sections as counts, the earlier ones longer by one where it does not divide."""
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
            position += stride  # summed, not multiplied: so the reference does, and ties round by it
        start += length
    return tuple(picked)
