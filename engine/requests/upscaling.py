"""What may be asked of an upscaler: `UpscaleRequest`, and which upscaler "auto" is. No torch, no Discord."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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


class UpscaleRequest(BaseModel):
    """Enlarge one picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    kind: Literal["upscale"] = "upscale"
    image: str
    upscaler: str = AUTO
    scale: int = Field(default=USUAL_SCALE, ge=2, le=8)
    width: int = Field(ge=1, le=16384, description="of the picture that comes in")
    height: int = Field(ge=1, le=16384)

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
        return self.width * self.height * self.scale**2 / 1e6


def best_upscaler(usable: Collection[str], scale: int) -> str:
    """What "auto" stands for where these can be used; for twice the size the net that was made for it."""
    doubling = ("realesrgan-x2plus",) if scale == 2 else ()
    own = (name for name in usable if name not in (*LEARNED, *SHIPPED))
    return next((name for name in (*doubling, *LEARNED, *own, *SHIPPED) if name in usable), "lanczos")
