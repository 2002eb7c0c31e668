"""OpenAI's CLIP files. They are programs (TorchScript), so only the nine with a published hash are ever opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.weights.archive import Format, find_format
from engine.weights.clip_table import CLIPS
from engine.weights.entry import Entry
from engine.weights.opened import Opened
from engine.weights.state_dict import BREAKAGE, broken


def clip_named(name: str) -> Entry | None:
    """OpenAI's CLIP of that name (“ViT-B/32”, “ViT-B-32”, “ViT-L-14-336”); None if it is none of the nine."""
    return next((entry for entry in CLIPS if plain(entry.name) == plain(name)), None)


def plain(name: str) -> str:
    """OpenAI's name as open_clip spells it: “ViT-L/14@336px” → “ViT-L-14-336”."""
    return name.replace("/", "-").replace("@", "-").removesuffix("px")


def clip_of_hash(path: Path, sha256: str) -> Entry:
    """Which of the nine a file is. Raises WeightsError if it is none of them."""
    found = next((entry for entry in CLIPS if entry.sha256 == sha256), None)
    if found is None:
        raise WeightsError(f"“{path.name}” is none of OpenAI's nine CLIP files: its SHA-256 is {sha256}.")
    return found


def read_clip(opened: Opened, published: str) -> dict[str, Tensor]:
    """The tensors of a file whose hash is the *published* one; another could run code. Raises WeightsError."""
    if opened.sha256 != published:
        raise WeightsError(f"“{opened.path.name}” is not opened: its SHA-256 is {opened.sha256}, not {published}.")
    if find_format(opened) is not Format.SCRIPT:
        raise WeightsError(f"“{opened.path.name}” is not one of OpenAI's CLIP files.")
    try:
        script: Any = torch.jit.load(opened.file, map_location="cpu")  # type: ignore[no-untyped-call]
    except BREAKAGE as error:
        raise broken(opened.path.name, error) from error
    opened.check_unchanged()
    state: dict[str, Tensor] = script.state_dict()
    return state
