"""Networks on the meta device: built without memory or initial values, then filled with a file's tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.formats.tensors import fit, read_fitting
from engine.weights.store.hashed_file import HashedFile

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
