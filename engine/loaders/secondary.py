"""The secondary net, ready to use: it stands in for a large net where only guidance's gradient is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from engine.catalogue.entry import Kind
from engine.diffusion.denoiser import Denoiser, v_denoiser
from engine.errors import InvalidRequest
from engine.nets.secondary import MULTIPLE, SecondaryNet

if TYPE_CHECKING:
    from engine.runtime.runtime import Runtime

NAME = "secondary"


def load_secondary(runtime: Runtime) -> Denoiser:
    """The net as a denoiser, loaded once. Raises ModelUnavailable (with how to get it) or WeightsError."""
    return v_denoiser(runtime.net(NAME, lambda: _read(runtime.device)))


def check_sides(sides: tuple[int, int]) -> None:
    """Raise InvalidRequest unless it can look at pictures of *sides*."""
    if any(side % MULTIPLE for side in sides):
        raise InvalidRequest(
            f"gradient=secondary needs sides that are multiples of {MULTIPLE} at the net's own size, "
            f"which is {sides[1]}×{sides[0]} here; take another size, or gradient=xstart."
        )


def _read(device: torch.device) -> SecondaryNet:
    from engine.weights.formats.tensors import fit, load_tensors  # which imports what converts foreign files

    loaded = load_tensors(NAME, Kind.SECONDARY)
    with torch.device("meta"):
        net = SecondaryNet()
    fit(net, loaded.tensors, NAME)
    return net.eval().requires_grad_(False).to(device)
