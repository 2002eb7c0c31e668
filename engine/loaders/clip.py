"""OpenAI's CLIP files. They are programs (TorchScript), so only files with a published hash are opened."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.errors import WeightsError
from engine.weights.formats.detect import Format, find_format
from engine.weights.formats.tensors import BREAKAGE
from engine.weights.store.hashed_file import HashedFile


def read_clip(opened: HashedFile, published: str) -> dict[str, Tensor]:
    """The tensors of a file with the *published* hash. Raises WeightsError for another hash, which could run code."""
    if opened.sha256 != published:
        raise WeightsError(f"“{opened.path.name}” is not opened: its SHA-256 is {opened.sha256}, not {published}.")
    if find_format(opened) is not Format.SCRIPT:
        raise WeightsError(f"“{opened.path.name}” is not one of OpenAI's CLIP files.")
    try:
        script: Any = torch.jit.load(opened.file, map_location="cpu")  # type: ignore[no-untyped-call]
    except BREAKAGE as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"“{opened.path.name}” is a broken PyTorch file: {first.rstrip('.')}.") from error
    opened.check_unchanged()
    state: dict[str, Tensor] = script.state_dict()
    return state
