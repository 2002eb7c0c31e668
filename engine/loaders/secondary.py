"""The secondary net: it replaces a large net where only the gradient of guidance is needed."""

from __future__ import annotations

import torch

from engine.catalogue.registry import find_entry
from engine.diffusion.denoiser import Denoiser, v_denoiser
from engine.errors import InvalidRequest
from engine.loaders.meta_init import fill
from engine.nets.secondary import MULTIPLE, SecondaryNet
from engine.runtime.runtime import NetProvider
from engine.weights.store.folder import weights_folder

NAME = "secondary"


def load_secondary(runtime: NetProvider) -> Denoiser:
    """The net as a denoiser, from the runtime's cache. Raises ModelUnavailable or WeightsError."""
    return v_denoiser(runtime.net(NAME, lambda: _read(runtime.device)))


def check_sides(sides: tuple[int, int]) -> None:
    """Raises InvalidRequest unless both *sides* are multiples of `MULTIPLE`."""
    if any(side % MULTIPLE for side in sides):
        raise InvalidRequest(
            f"gradient=secondary needs sides that are multiples of {MULTIPLE} at the net's own size, "
            f"which is {sides[1]}×{sides[0]} here; take another size, or gradient=xstart."
        )


def _read(device: torch.device) -> SecondaryNet:
    with weights_folder().open(find_entry(NAME)) as opened:
        net, _ = fill(opened, SecondaryNet)
    return net.eval().requires_grad_(False).to(device)
