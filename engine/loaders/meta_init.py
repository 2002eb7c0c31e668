"""Networks on the meta device: built without memory or initial values, to be filled with a file's tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from engine.nets.adm import UNetModel, build_adm
from engine.nets.v_diffusion.net import VDiffusionNet, build_v_diffusion


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


def blueprint(flags: Mapping[str, object]) -> UNetModel:
    """The ADM network of these flags on the meta device: names, shapes and dtypes, no numbers."""
    with torch.device("meta"), NoInit():
        return build_adm(flags)


def v_blueprint(flags: Mapping[str, object]) -> VDiffusionNet:
    """The same of a v-diffusion network."""
    with torch.device("meta"), NoInit():
        return build_v_diffusion(flags)
