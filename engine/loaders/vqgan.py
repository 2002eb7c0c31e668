"""A VQGAN that is ready to paint: frozen, on its device, with the bounds of its codebook."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.vqgan import Vqgan, build_vqgan, nearest, straight_through
from engine.nets.vqgan_flags import read_vqgan_flags

if TYPE_CHECKING:
    from engine.runtime.runtime import Runtime

FILES = {"primer": PRIMER_WEIGHTS / "vqgan.safetensors"}


@dataclass(frozen=True)
class VqganNet:
    """Always in float32: half precision tells neighbours in a large codebook apart no more."""

    net: Vqgan
    sha256: str = ""

    @property
    def factor(self) -> int:
        """How much smaller than the picture the grid is."""
        return self.net.flags.factor

    @cached_property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """The least and the most that any vector has, for each channel: [1, D, 1, 1] twice. Of a frozen net, once."""
        low, high = (found.view(1, -1, 1, 1) for found in self.net.codebook.aminmax(dim=0))
        return low, high

    def paint(self, z: Tensor) -> Tensor:
        """A grid [N, D, h, w] → the picture of the vectors nearest to it, [N, 3, H, W] within [-1, 1].

        The gradient passes the codebook as if it were not there, and the bounds where it leads back inside.
        """
        z_q = self.net.lookup(nearest(z.detach(), self.net.codebook))
        return clamp_with_grad(self.net.decode(straight_through(z, z_q)), -1, 1)

    def of_picture(self, picture: Tensor) -> Tensor:
        """[N, 3, H, W] in [-1, 1] → the vectors that its encoder chooses, [N, D, h, w]."""
        return self.net.lookup(self.net.indices(self.net.encode(picture)))


class _ClampWithGrad(torch.autograd.Function):
    """See `clamp_with_grad`."""

    @staticmethod
    def forward(x: Tensor, low: float, high: float) -> Tensor:
        """The clamp."""
        return x.clamp(low, high)

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, float, float], _: Tensor) -> None:
        """Keep how far each number lay outside."""
        x, low, high = inputs
        ctx.save_for_backward(x - x.clamp(low, high))

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        """What would lead further out is dropped."""
        (outside,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * (gradient * outside >= 0), None, None


def clamp_with_grad(x: Tensor, low: float, high: float) -> Tensor:
    """`clamp`, but a number outside still hears a gradient that leads it back (Crowson 2021)."""
    clamped: Tensor = _ClampWithGrad.apply(x, low, high)  # type: ignore[no-untyped-call]
    return clamped


def load_vqgan_net(model: str, runtime: Runtime) -> VqganNet:
    """The net of that model, loaded once. Raises ModelUnavailable or WeightsError."""
    if model in FILES:
        return runtime.net(f"vqgan:{model}", lambda: read_vqgan_net(FILES[model], runtime.device))
    from engine.loaders._vqgan_checkpoint import load_vqgan  # which makes a VqganNet

    return runtime.net(f"vqgan:{model}", lambda: load_vqgan(model, runtime.device))


def read_vqgan_net(path: Path, device: torch.device) -> VqganNet:
    """A safetensors file with flags → its net. Raises WeightsError."""
    checkpoint = read_checkpoint(path)
    net = build_vqgan(read_vqgan_flags(checkpoint.flags))
    checkpoint.fill(net)
    return VqganNet(net.eval().requires_grad_(False).to(device), checkpoint.sha256)
