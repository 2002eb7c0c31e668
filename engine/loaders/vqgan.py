"""VQGANs of taming-transformers (Esser et al. 2021), frozen on their device, with the bounds of their codebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from engine.catalogue.registry import Entry, Kind, find_entry
from engine.errors import ModelUnavailable
from engine.loaders.checkpoint import PRIMER_WEIGHTS, fill, read_checkpoint
from engine.nets.vqgan import Vqgan, build_vqgan, nearest, straight_through
from engine.runtime.runtime import NetProvider
from engine.weights.formats.state_dict import SelectedTensors
from engine.weights.store.folder import Folder, weights_folder
from engine.weights.store.hashed_file import HashedFile

TRAINING = "loss"
"""Part of the names of the discriminator and the perceptual net, which only training needs."""
FILES = {"primer": PRIMER_WEIGHTS / "vqgan.safetensors"}


@dataclass(frozen=True)
class VqganNet:
    """Computes in float32, because half precision cannot tell neighbours in a large codebook apart."""

    net: Vqgan
    sha256: str = ""

    @property
    def factor(self) -> int:
        """Image side over grid side."""
        return self.net.flags.factor

    @cached_property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Minimum and maximum of the codebook in each channel: two tensors [1, D, 1, 1]."""
        low, high = (found.view(1, -1, 1, 1) for found in self.net.codebook.aminmax(dim=0))
        return low, high

    def paint(self, z: Tensor) -> Tensor:
        """A grid [N, D, h, w] → the image of its nearest code vectors, [N, 3, H, W] in [-1, 1].

        The gradient passes straight through the codebook, and through the clamp where it leads back inside.
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
        return x.clamp(low, high)

    @staticmethod
    def setup_context(ctx: torch.autograd.function.FunctionCtx, inputs: tuple[Tensor, float, float], _: Tensor) -> None:
        """Keep the excess of each value beyond the range."""
        x, low, high = inputs
        ctx.save_for_backward(x - x.clamp(low, high))

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Drop the gradient that would lead further out of range."""
        (outside,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return gradient * (gradient * outside >= 0), None, None


def clamp_with_grad(x: Tensor, low: float, high: float) -> Tensor:
    """`clamp`, but a value out of range keeps a gradient that leads back into the range (Crowson 2021)."""
    clamped: Tensor = _ClampWithGrad.apply(x, low, high)  # type: ignore[no-untyped-call]
    return clamped


def load_vqgan_net(model: str, runtime: NetProvider) -> VqganNet:
    """The net of *model* from the runtime's cache. Raises ModelUnavailable or WeightsError."""

    def load() -> VqganNet:
        if model in FILES:
            return read_vqgan_net(FILES[model], runtime.device)
        return read_vqgan(find_entry(model), weights_folder(), runtime.device)

    return runtime.net(f"vqgan:{model}", load)


def read_vqgan_net(path: Path, device: torch.device) -> VqganNet:
    """A safetensors file with flags → its net. Raises WeightsError."""
    checkpoint = read_checkpoint(path)
    net = build_vqgan(checkpoint.flags)
    checkpoint.fill(net)
    return VqganNet(net.eval().requires_grad_(False).to(device), checkpoint.sha256)


def read_vqgan(entry: Entry, folder: Folder, device: torch.device) -> VqganNet:
    """The frozen net, also from within a transformer's checkpoint. Raises ModelUnavailable or WeightsError."""
    if entry.kind is not Kind.VQGAN:
        raise ModelUnavailable(f"“{entry.name}” is not a VQGAN but a checkpoint of the kind {entry.kind.value}.")
    with folder.open(entry) as opened:
        net, _ = fill_vqgan(opened, entry.flags)
    return VqganNet(net.eval().requires_grad_(False).to(device), opened.sha256)


def fill_vqgan(opened: HashedFile, flags: Mapping[str, object]) -> tuple[Vqgan, SelectedTensors]:
    """The net of *flags* with the tensors of the file, and which those were. Raises WeightsError."""
    return fill(opened, build_vqgan, flags, without=TRAINING)
