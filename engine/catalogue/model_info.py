"""A model as clients see it: sizes, defaults, capabilities.

A *model* is a set of weights that a *method* paints with. `models` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Model:
    """What one set of weights can paint. Sizes are those of the finished image, in pixels."""

    name: str
    title: str
    methods: tuple[str, ...]
    """Methods that can use it, the usual one first."""
    size: tuple[int, int]
    """Default width and height."""
    multiple: int
    """Width and height are multiples of this."""
    smallest: int
    largest: int
    scale: int = 1
    """The network's image is this many times smaller; `finish` upscales it."""
    finish: str = ""
    """The upscaler that every image of this model goes through; empty for none."""
    perceptor: str = "primer"
    """The default CLIP."""
    view_share: float = 0.01
    """Cost of one view through its CLIP over one guided pass at its default size; see `flops`."""
    train_steps: int = 1000
    """Timesteps of the diffusion process of its training."""
    classes: int = 0
    """Classes of its training; the network needs one of them. 0 = unconditional."""
    reads: bool = False
    """Whether its network is conditioned on the prompt."""
    free_guidance: bool = True
    """Whether a network that reads was also trained without a prompt, for classifier-free guidance."""
    limited_words: bool = False
    """Whether it knows only the words of `engine.primer.vocabulary`."""
    defaults: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Method → option → default value."""

    @property
    def subject(self) -> str:
        """The title as the beginning of a sentence: “The small model”; names stay as they are written."""
        return self.title[0].upper() + self.title[1:] if self.title.startswith("the ") else self.title

    def check_size(self, width: int, height: int) -> None:
        """Raises InvalidRequest, with the nearest possible size, unless the model can paint *width* × *height*."""
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
        """The largest size of about that aspect ratio with at most *pixels* pixels; None if none is so small."""
        part = min((pixels / (width * height)) ** 0.5, 1.0)
        wide, high = (max(int(side * part) // self.multiple * self.multiple, self.smallest) for side in (width, height))
        return (wide, high) if wide * high <= pixels else None

    def _nearest(self, side: int) -> int:
        return min(max(round(side / self.multiple) * self.multiple, self.smallest), self.largest)
