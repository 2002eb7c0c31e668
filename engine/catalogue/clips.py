"""OpenAI's nine CLIPs. Their files are TorchScript archives; the hash is part of the address."""

from __future__ import annotations

from pathlib import Path

from engine.catalogue.entry import Entry, Kind
from engine.catalogue.registry import PUBLISHED
from engine.errors import WeightsError

CLIPS = tuple(entry for entry in PUBLISHED.values() if entry.kind is Kind.CLIP)
OPENAI_TAG = "openai"
"""open_clip's tag for OpenAI's weights, as in “ViT-B-32/openai”."""


def clip_named(name: str) -> Entry | None:
    """OpenAI's CLIP of that name: “ViT-B/32”, “ViT-B-32”, “ViT-L-14-336” or “ViT-B-32/openai”; None for others."""
    architecture = name.removesuffix(f"/{OPENAI_TAG}")
    wanted = plain(architecture if architecture == name else architecture.removesuffix("-quickgelu"))
    return next((entry for entry in CLIPS if plain(entry.name) == wanted), None)


def plain(name: str) -> str:
    """OpenAI's name in open_clip's spelling: “ViT-L/14@336px” → “ViT-L-14-336”."""
    return name.replace("/", "-").replace("@", "-").removesuffix("px")


def clip_of_hash(path: Path, sha256: str) -> Entry:
    """The entry with that hash. Raises WeightsError if it is none of the nine."""
    found = next((entry for entry in CLIPS if entry.sha256 == sha256), None)
    if found is None:
        raise WeightsError(f"“{path.name}” is none of OpenAI's nine CLIP files: its SHA-256 is {sha256}.")
    return found
