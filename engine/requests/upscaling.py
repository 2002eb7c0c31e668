"""What may be asked of an upscaler: `UpscaleRequest`, and which upscaler "auto" is. No torch, no Discord."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

AUTO = "auto"
"""The upscaler that suits best of those that are here."""
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
"""What "auto" takes: the first of the learned ones that is here, then one's own, then what ships with the package."""
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
        """A whole number is an int, so that it reads like one."""
        return int(value) if value == int(value) else round(value, 4)

    @property
    def result(self) -> tuple[int, int]:
        """Width and height of the picture that comes out."""
        return max(round(self.width * self.scale), 1), max(round(self.height * self.scale), 1)

    @property
    def images(self) -> tuple[str, ...]:
        """SHA-256 of the picture that this request needs beside it."""
        return (self.image,)

    @property
    def nets(self) -> str:
        """As `DreamRequest.nets`."""
        return f"upscaler {self.upscaler}"

    @property
    def count(self) -> int:
        """Pictures that come out."""
        return 1

    @property
    def cost(self) -> float:
        """Megapixel steps: an output pixel counts as one step."""
        width, height = self.result
        return width * height / 1e6


def best_upscaler(usable: Collection[str], scale: float) -> str:
    """What "auto" stands for where these can be used; for up to twice the size the net that was made for it."""
    doubling = ("realesrgan-x2plus",) if scale <= 2 else ()
    own = (name for name in usable if name not in (*LEARNED, *SHIPPED))
    return next((name for name in (*doubling, *LEARNED, *own, *SHIPPED) if name in usable), "lanczos")
