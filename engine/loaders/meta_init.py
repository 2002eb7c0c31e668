"""A net without memory, to be filled with a file's own tensors: no time is spent on values that nobody will see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from engine.nets.adm import UNetModel, build_adm


class NoInit(TorchFunctionMode):
    """While it is entered, `torch.nn.init` does nothing.

    On the meta device a normal distribution alone would import half of torch's compiler, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Answer for torch: the tensor as it is, where it would have been initialised."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", "") == "torch.nn.init":
            return given.get("tensor", args[0] if args else None)
        return func(*args, **given)


def blueprint(flags: Mapping[str, object]) -> UNetModel:
    """The ADM net of these flags on the meta device: names, shapes and dtypes, no numbers."""
    with torch.device("meta"), NoInit():
        return build_adm(flags)
