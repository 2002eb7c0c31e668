"""Requests to upscalers: `UpscaleRequest`, and the upscaler of "auto". No torch, no Discord."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

AUTO = "auto"
"""The most suitable installed upscaler."""
LEARNED: Mapping[str, str] = {
    "realesrgan-x4plus": "photographs and paintings",
    "realesr-general": "small and fast",
    "swinir-l": "real-world pictures, slow",
    "swinir-m": "real-world pictures",
    "realesrgan-x2plus": "made for twice the size",
    "realesrgan-anime": "drawings",
}
SHIPPED: Mapping[str, str] = {
    "primer": "small, clean pictures like the small model's",
    "lanczos": "plain resampling: invents nothing",
}
"""The order of "auto": installed learned ones, then the host's own, then the shipped ones."""
MILDER: Mapping[str, str] = {"realesr-general": "realesr-general-wdn"}
"""A net that removes noise → one of the same shape that removes less of it; ``NAME@0.5`` is half of each."""
BLEND = "@"
USUAL_SCALE = 4
LEAST_SCALE, MOST_SCALE = 1, 8
SCALES_SAID = f"A picture can be enlarged {LEAST_SCALE} to {MOST_SCALE} times"


class UpscaleRequest(BaseModel):
    """Enlarge one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: Literal["upscale"] = "upscale"
    image: str
    upscaler: str = AUTO
    scale: int | float = Field(default=USUAL_SCALE, ge=LEAST_SCALE, le=MOST_SCALE, allow_inf_nan=False)
    """1 is for nets that restore pictures at their own size."""
    width: int = Field(ge=1, le=16384, description="of the picture that comes in")
    height: int = Field(ge=1, le=16384)

    @field_validator("scale")
    @classmethod
    def _whole(cls, value: float) -> float:
        """Convert whole numbers to int, so that they are shown without a fraction."""
        return int(value) if value == int(value) else round(value, 4)

    @property
    def result(self) -> tuple[int, int]:
        return max(round(self.width * self.scale), 1), max(round(self.height * self.scale), 1)

    @property
    def images(self) -> tuple[str, ...]:
        return (self.image,)

    @property
    def nets(self) -> str:
        """As `DreamRequest.nets`."""
        return f"upscaler {self.upscaler}"

    @property
    def count(self) -> int:
        return 1

    @property
    def cost(self) -> float:
        """Megapixel steps: an output pixel counts as one step."""
        width, height = self.result
        return width * height / 1e6


def nets_of(upscaler: str) -> tuple[str, ...]:
    """The nets behind a name: two of a blend such as ``realesr-general@0.5``, else the name itself."""
    base, mark, share = upscaler.partition(BLEND)
    if mark and base in MILDER and re.fullmatch(r"0(\.\d{1,3})?|1(\.0)?", share):
        return base, MILDER[base]
    return (upscaler,)


def best_upscaler(usable: Collection[str], scale: float) -> str:
    """What "auto" stands for where these can be used; for up to twice the size the net that was made for it."""
    doubling = ("realesrgan-x2plus",) if scale <= 2 else ()
    own = (name for name in usable if name not in (*LEARNED, *SHIPPED))
    return next((name for name in (*doubling, *LEARNED, *own, *SHIPPED) if name in usable), "lanczos")
