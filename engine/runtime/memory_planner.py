"""What this process has learned about the memory of images: by kind, for the next image of that kind."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

CERTAIN = 0.95
"""An image is refused only if this share of its counted bytes exceeds the memory: real steps took 1.00 to 1.12 times
what was counted."""
GRAIN = 64 * 64
"""Pixels. Size limits are rounded up to multiples of this, so that they do not change with every byte."""


@dataclass(frozen=True, slots=True)
class SizeLine:
    """Memory as a linear function of size: *bytes* at *pixels*, and *each* bytes for every further pixel."""

    bytes: int
    pixels: int
    each: float

    def within(self, most: int) -> int:
        """Pixels of the largest image that fits into *most* bytes, rounded up to `GRAIN`."""
        found = self.pixels + (most / CERTAIN - self.bytes) / max(self.each, 1e-9)
        return max(int(found // GRAIN + 1) * GRAIN, 0)


@dataclass(slots=True)
class MemoryPlanner:
    """Figures that the stepping loop and the loading thread share; every entry is a single dictionary operation."""

    levels: dict[Hashable, int] = field(default_factory=dict)
    """Kind of image → the memory level at which its steps fitted after out-of-memory."""
    step_bytes: dict[Hashable, int] = field(default_factory=dict)
    """(request without seed and words, memory level) → bytes that its largest step took, as the device measured."""
    sizes: dict[str, SizeLine] = field(default_factory=dict)
    """`DreamRequest.memory_kind` → the least memory of such images, measured after one did not fit."""

    def level(self, kind: Hashable) -> int:
        """The memory level that images of *kind* begin at; 0 = nothing is saved."""
        return self.levels.get(kind, 0)

    def largest(self, most: int) -> dict[str, int]:
        """`DreamRequest.memory_kind` → pixels of the largest image that *most* bytes allow."""
        return {kind: line.within(most) for kind, line in self.sizes.items()}
