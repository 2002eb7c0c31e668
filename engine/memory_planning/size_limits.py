"""How large a picture may be here: found out when one does not fit as it is, and told to whoever asks for the next one.

A line through two rehearsed sizes says what the lightest form takes; what a request has beside its model, its gradient
and its CLIPs only adds to that. So nothing is refused by it that would fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.catalogue.models import MODELS
from engine.memory_planning.estimate import Needs
from engine.requests.request import DreamRequest, build_request

CERTAIN = 0.95
"""Below this share of what was counted no picture is tried: real steps took 1.00 to 1.12 times as much."""
GRAIN = 64 * 64
"""Pixels. Limits are rounded up to this, so that they do not change with every byte."""
KEPT = ("gradient", "perceptors")


@dataclass(frozen=True, slots=True)
class Line:
    """Bytes by pixels: at *pixels* it is *bytes*, and each more takes *each*."""

    bytes: int
    pixels: int
    each: float

    def within(self, most: int) -> int:
        """Pixels of the largest picture that so many bytes suffice for."""
        found = self.pixels + (most / CERTAIN - self.bytes) / max(self.each, 1e-9)
        return max(int(found // GRAIN + 1) * GRAIN, 0)


def measure(request: DreamRequest, needs: Needs) -> Line | None:
    """What pictures of its kind take at least, from two sizes of the plainest of them; None if nobody knows."""
    model = MODELS[request.model]
    plain = build_request("red", model=model.name, method=request.method, seed=0).options
    same = {name: getattr(request.options, name) for name in KEPT if hasattr(request.options, name)}
    options = plain.model_copy(update=same)
    found = []
    for side in (model.smallest, 2 * model.smallest):
        counted = needs.lightest(
            width=side, height=side, options=options, init_image="", target_image="", mask_image=""
        )
        if counted is None:
            return None
        found.append((side * side, counted.weights + counted.step))
    (low, least), (high, most) = found
    return Line(least, low, (most - least) / (high - low))


def largest(lines: Mapping[str, Line], most: int) -> dict[str, int]:
    """Kind → pixels, for *most* bytes in all."""
    return {kind: line.within(most) for kind, line in lines.items()}
