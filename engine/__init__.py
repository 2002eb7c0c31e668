"""CLIP-guided image synthesis: methods, upscalers, guidance, and the small models that ship with the package.

    from engine import dream

    dream("a red circle on a blue background", seed=7).save("circle.png")

`dream` paints one image; `Studio` keeps models loaded between images. Both are imported on first use, because they
import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.api import Dream, Studio, dream

__all__ = ["Dream", "Studio", "dream"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from engine import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
