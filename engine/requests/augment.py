"""Random changes of every view before CLIP sees it: ``rotate:10+shift:0.05+jitter:0.1``, or a tool's name.

A term is ``name:amount`` or ``name:amount:share``, where *share* is the part of the views that it changes. ``together``
draws one change for all views of a lot, as Disco Diffusion does. ``white`` fills what lies beyond a view with white
instead of black.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from engine.errors import InvalidRequest
from engine.requests.schedule import number_text

NONE = "none"
TOOLS: Mapping[str, str] = {
    "disco": "rotate:10+shift:0.05+gray:0.1+jitter:0.1+together",
    "cda": "rotate:15+shift:0.1+perspective:0.4:0.7",
    "vqganclip": "rotate:15:0.7+shift:0.1:0.7+shear:5:0.7+perspective:0.7:0.7+jitter:0.1:0.7+erase:0.4:0.7",
    "clipdraw": "perspective:0.5+white",
}
"""Tool → its changes. `cda` is also Quick CLIP Guided Diffusion's. Gray views of both are the option `gray`."""
MOST: Mapping[str, float] = {
    "rotate": 180,  # degrees
    "shift": 0.5,  # of the side
    "shear": 45,  # degrees
    "perspective": 1,  # of half the side, by which corners move inwards
    "jitter": 0.5,  # of brightness, contrast, saturation and the circle of hues
    "gray": 1,  # part of the views
    "erase": 0.9,  # of the area; the smallest rectangle has a quarter of that
}
"""Term → its largest amount."""
CHANGED_VIEW = 1.1
"""Cost of a view that is changed, over a plain one; measured by tests/benchmarks/augmented.py."""
_NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+")
Term: TypeAlias = tuple[float, float]
"""Amount, and part of the views that are changed."""


@dataclass(frozen=True, slots=True)
class Augment:
    """Each change of the views; see `MOST` for the units of its amount."""

    rotate: Term = (0.0, 1.0)
    shift: Term = (0.0, 1.0)
    shear: Term = (0.0, 1.0)
    perspective: Term = (0.0, 1.0)
    jitter: Term = (0.0, 1.0)
    gray: Term = (0.0, 1.0)
    erase: Term = (0.0, 1.0)
    together: bool = False
    white: bool = False

    @property
    def moves(self) -> bool:
        """Whether pixels change their place."""
        return any(amount for amount, _ in (self.rotate, self.shift, self.shear, self.perspective))

    @property
    def colours(self) -> bool:
        """Whether colours change."""
        return bool(self.jitter[0] or self.gray[0])

    @property
    def acts(self) -> bool:
        """Whether anything changes."""
        return self.moves or self.colours or bool(self.erase[0])

    @property
    def view_cost(self) -> float:
        """Cost of a view, over that of a plain one."""
        return CHANGED_VIEW if self.acts else 1.0


PLAIN = Augment()


def read_augment(text: str) -> Augment:
    """Parse ``none``, a tool's name, or terms joined by ``+``. Raises InvalidRequest.

    >>> read_augment("rotate:15+perspective:0.4:0.7").perspective
    (0.4, 0.7)
    """
    text = TOOLS.get(text.strip(), text.strip())
    if text == NONE:
        return PLAIN
    found: dict[str, Term | bool] = {}
    for part in (part.strip() for part in text.split("+")):
        name, *numbers = part.split(":")
        if name in found:
            raise InvalidRequest(f"augment names {name} twice; leave out one of them.")
        found[name] = True if name in ("together", "white") and not numbers else _term(name, part, numbers)
    return Augment(**found)  # type: ignore[arg-type]


def _term(name: str, part: str, numbers: list[str]) -> Term:
    if name not in MOST:
        known = ", ".join((NONE, *TOOLS, *MOST, "together", "white"))
        raise InvalidRequest(f"augment has no term “{part}”; available: {known}.")
    if len(numbers) not in (1, 2) or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise InvalidRequest(f"augment: “{part}” is not name:amount or name:amount:share, as in rotate:15:0.7.")
    amount, share = float(numbers[0]), float(numbers[1]) if len(numbers) == 2 else 1.0
    if amount > MOST[name]:
        most = number_text(MOST[name])
        raise InvalidRequest(f"augment: {name}:{number_text(amount)} is too large; {most} is the most.")
    if share > 1:
        raise InvalidRequest(f"augment: the share {number_text(share)} of {name} is too large; 1 is the most.")
    return amount, share
