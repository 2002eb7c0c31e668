"""A diffusion net with what it takes to use it: its flags, its noise schedule, and where its weights came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, eps_denoiser, xstart_denoiser
from engine.diffusion.respacing import Walk, make_walk
from engine.diffusion.schedules import alphas_cumprod
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.adm import UNetModel, build_adm
from engine.nets.adm_flags import AdmFlags

if TYPE_CHECKING:
    from engine.runtime.runtime import Runtime

FILES = {"primer": PRIMER_WEIGHTS / "diffusion.safetensors"}


@dataclass(frozen=True)
class DiffusionNet:
    """Frozen weights on their device."""

    net: UNetModel
    sha256: str = ""

    @property
    def flags(self) -> AdmFlags:
        """What the net is."""
        return self.net.flags

    def walk(self, spacing: str) -> Walk:
        """The process that the net was trained for, respaced. Raises InvalidRequest where there is no such walk."""
        bars = alphas_cumprod(self.flags.noise_schedule, self.flags.diffusion_steps)
        return make_walk(bars, spacing, self.flags.rescale_timesteps)

    def denoiser(self, context: Tensor | None = None, classes: Tensor | None = None) -> Denoiser:
        """The net as a denoiser that reads *context* [N, D], where it can, or nothing; *classes* [N] if it has any."""

        def net(x_t: Tensor, timesteps: Tensor) -> Tensor:
            told = {} if classes is None else {"y": classes}
            out: Tensor = self.net(x_t, timesteps, context=context, **told)
            return out

        wrap = xstart_denoiser if self.flags.predict_xstart else eps_denoiser
        return wrap(net, self.flags.learn_sigma)


def load_diffusion_net(model: str, runtime: Runtime) -> DiffusionNet:
    """The net of that model, loaded once. Raises ModelUnavailable or WeightsError."""
    if model in FILES:
        read, expected = partial(read_diffusion_net, FILES[model]), 0
    else:
        from engine.loaders._diffusion_checkpoint import load_diffusion, net_bytes  # which makes a DiffusionNet

        read, expected = partial(load_diffusion, model), net_bytes(model, runtime.dtype)

    def load() -> DiffusionNet:
        found = read(runtime.device, runtime.dtype)
        runtime.compiler.take(found.net)
        return found

    return runtime.net(f"diffusion:{model}", load, expected=expected)


def read_diffusion_net(path: Path, device: torch.device, dtype: torch.dtype) -> DiffusionNet:
    """A safetensors file with flags → its net, frozen, with its torso in *dtype*."""
    checkpoint = read_checkpoint(path)
    net = build_adm(checkpoint.flags)
    checkpoint.fill(net)
    return DiffusionNet(net.eval().requires_grad_(False).set_torso_dtype(dtype).to(device), checkpoint.sha256)
