"""Safetensors files that hold the flags of their network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from engine.errors import WeightsError

PRIMER_WEIGHTS = Path(__file__).parents[1] / "primer" / "weights"


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a file. *flags* build the network; *sha256* is of the bytes that were read.

    *recipe*: how its last run trained it; empty for a file that does not tell.
    """

    name: str
    tensors: dict[str, Tensor]
    flags: dict[str, object]
    sha256: str
    recipe: dict[str, object]

    def fill(self, net: nn.Module) -> None:
        """Loads exactly these weights into *net*, in its own dtype. Raises WeightsError."""
        try:
            net.load_state_dict(self.tensors)
        except RuntimeError as error:
            raise WeightsError(f"The weights “{self.name}” do not fit their net: {error}") from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads and hashes *path*. Raises WeightsError for a missing or broken file, or one without flags."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights “{path.name}” cannot be read: {error.strerror or error}.") from error
    try:
        tensors = load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        flags = json.loads(header["__metadata__"]["flags"])
        recipe = json.loads(header["__metadata__"].get("recipe", "{}"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"“{path.name}” is not a weights file that this engine understands: {error}.") from error
    return Checkpoint(path.stem, tensors, flags, hashlib.sha256(raw).hexdigest(), recipe)
