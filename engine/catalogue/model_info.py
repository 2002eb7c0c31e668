"""A model, as far as somebody who asks needs to know: sizes, defaults, what it understands. No torch.

A *model* is a set of weights that a *method* paints with. Which there are is in `models`, where their files come from
in `weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Model:
    """What a person may ask of one set of weights. Sizes are those of the finished picture, in pixels."""

    name: str
    title: str
    methods: tuple[str, ...]
    """Methods that can use it, the usual one first."""
    size: tuple[int, int]
    """Width and height when nobody says otherwise."""
    multiple: int
    """Width and height are multiples of this."""
    smallest: int
    largest: int
    scale: int = 1
    """The net's own picture is this many times smaller; `finish` enlarges it."""
    finish: str = ""
    """The upscaler that every picture of this model goes through, or none."""
    perceptor: str = "primer"
    """The CLIP that guides it unless the request says otherwise."""
    view_share: float = 0.01
    """What one view through its CLIP costs, over one guided pass of its net at its usual size; see `work`."""
    train_steps: int = 1000
    """Timesteps of the process that its net was trained for."""
    classes: int = 0
    """So many classes that its net was trained with, and wants one of."""
    reads: bool = False
    """Its net reads the prompt by itself."""
    limited_words: bool = False
    """It understands only the words of `engine.primer.vocabulary`."""
    defaults: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Method → option → the value that suits this model."""

    @property
    def subject(self) -> str:
        """The title at the beginning of a sentence: “The small model”, but a name stays as it is written."""
        return self.title[0].upper() + self.title[1:] if self.title.startswith("the ") else self.title

    def check_size(self, width: int, height: int) -> None:
        """Raise InvalidRequest, naming the nearest size that works, unless the net can paint *width* × *height*."""
        nearest = tuple(self._nearest(side) for side in (width, height))
        if nearest != (width, height) and self.smallest == self.largest:
            raise InvalidRequest(
                f"{self.subject} cannot paint {width}×{height}; all its pictures are {self.largest}×{self.largest}."
            )
        if nearest != (width, height):
            raise InvalidRequest(
                f"{self.subject} cannot paint {width}×{height}; the nearest it can is {nearest[0]}×{nearest[1]} "
                f"(sides are multiples of {self.multiple} from {self.smallest} to {self.largest})."
            )

    def shrunk(self, width: int, height: int, pixels: int) -> tuple[int, int] | None:
        """The largest size of about that shape, of at most so many *pixels*; None if none is so small."""
        part = min((pixels / (width * height)) ** 0.5, 1.0)
        wide, high = (max(int(side * part) // self.multiple * self.multiple, self.smallest) for side in (width, height))
        return (wide, high) if wide * high <= pixels else None

    def _nearest(self, side: int) -> int:
        return min(max(round(side / self.multiple) * self.multiple, self.smallest), self.largest)
