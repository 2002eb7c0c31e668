"""What is known of one checkpoint: where it comes from, how it is recognised, what net it holds. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

LARGEST = 16 * 2**30
"""Bytes; no checkpoint of this family comes near."""
LEEWAY = 1.5
"""A file may be this many times larger than what is known only roughly."""


class Kind(StrEnum):
    """What a checkpoint is for."""

    DIFFUSION = "diffusion"
    SECONDARY = "secondary"
    VQGAN = "vqgan"
    BIGGAN = "biggan"
    CLIP = "clip"
    UPSCALER = "upscaler"


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint."""

    name: str
    kind: Kind
    title: str
    file: str
    """Its name in the weights folder; a whole path for a file of one's own."""
    licence: str
    sources: tuple[str, ...] = ()
    """Addresses, tried in turn."""
    sha256: str = ""
    """As published; empty where nobody has."""
    size: int = 0
    """Bytes; 0 = unknown."""
    exact: bool = False
    """Whether *size* is the very number."""
    flags: Mapping[str, object] = field(default_factory=dict)
    """Of its net, by the reference's option names."""
    page: str = ""
    """Where a person finds it when no source works."""

    @property
    def is_own(self) -> bool:
        """Whether it is the host's own file, somewhere else."""
        return Path(self.file).is_absolute()

    @property
    def limit(self) -> int:
        """The most bytes that are accepted for it."""
        if self.exact:
            return self.size
        return int(self.size * LEEWAY) if self.size else LARGEST
