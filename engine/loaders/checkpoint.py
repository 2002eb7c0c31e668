"""Networks from files: safetensors files that hold the flags of their network, and networks on the meta device.

A network is built there without memory or initial values, and then filled with a file's tensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.errors import WeightsError
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.formats.tensors import fit, read_fitting
from engine.weights.store.hashed_file import HashedFile

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


M = TypeVar("M", bound=nn.Module)


class NoInit(TorchFunctionMode):
    """Disables `torch.nn.init` while it is entered.

    On the meta device a normal distribution alone would import half of torch's compiler, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__module__", "") == "torch.nn.init":
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


def blueprint(build: Callable[..., M], *args: object) -> M:
    """What *build* returns for *args*, on the meta device: names, shapes and dtypes, no numbers."""
    with torch.device("meta"), NoInit():
        return build(*args)


def fill(opened: HashedFile, build: Callable[..., M], *args: object, without: str = "") -> tuple[M, SelectedTensors]:
    """The `blueprint` with the tensors of the file, and which those were; see `read_fitting`. Raises WeightsError."""
    net = blueprint(build, *args)
    tensors, choice = read_fitting(opened, net, without=without)
    fit(net, tensors)
    return net, choice
