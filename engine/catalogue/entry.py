"""One checkpoint: its sources, its hash and the network that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MAX_FILE_BYTES = 16 * 2**30
"""Limit for a file of unknown size. No checkpoint of this family is larger."""
SIZE_TOLERANCE = 1.5
"""A file may exceed an approximate size by this factor."""
USUAL_PERCEPTOR = "ViT-B/32"


class Kind(StrEnum):
    """The network that a checkpoint holds."""

    DIFFUSION = "diffusion"
    V_DIFFUSION = "v-diffusion"
    SECONDARY = "secondary"
    VQGAN = "vqgan"
    BIGGAN = "biggan"
    CLIP = "clip"
    UPSCALER = "upscaler"
    VGG = "vgg"
    LPIPS = "lpips"
    ADAPTER = "adapter"


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint."""

    name: str
    kind: Kind
    title: str
    file: str
    """File name in the weights folder; an absolute path for a file of the host's own."""
    licence: str
    sources: tuple[str, ...] = ()
    """Addresses, tried in turn."""
    sha256: str = ""
    """Published hash; empty if none is published."""
    size: int = 0
    """Bytes; 0 = unknown."""
    exact: bool = False
    """Whether `size` is exact."""
    flags: Mapping[str, object] = field(default_factory=dict)
    """Options of the network, by the names of the reference code."""
    page: str = ""
    """Web page with a download link, for when every source fails."""
    perceptor: str = USUAL_PERCEPTOR
    """The CLIP that guides a model with these weights."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Option values that suit a model with these weights."""
    adapts: str = ""
    """The model that an adapter changes."""

    @property
    def is_own(self) -> bool:
        """Whether the file belongs to the host, outside of the weights folder."""
        return Path(self.file).is_absolute()

    @property
    def limit(self) -> int:
        """The most bytes that a download may have."""
        if self.exact:
            return self.size
        return int(self.size * SIZE_TOLERANCE) if self.size else MAX_FILE_BYTES
