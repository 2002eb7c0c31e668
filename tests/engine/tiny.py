"""A primer of random weights, made through the same classes as the real one: for tests of everything but beauty."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from engine.diffusion.denoiser import predict_eps
from engine.diffusion.schedules import alphas_cumprod
from engine.images.tensors import per_sample
from engine.loaders.diffusion import DiffusionNet
from engine.methods import Failed, Finished, Method, State, Step
from engine.nets.adm import build_adm
from engine.nets.flags import read_flags
from engine.nets.primer.small_clip import build_small_clip
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import primer_tokens
from engine.protocol.messages import Job
from engine.requests.request import DreamRequest, build_request
from engine.runtime.runtime import Runtime

NET = {
    "image_size": 64,
    "num_channels": 16,
    "channel_mult": "1,2",
    "num_res_blocks": 1,
    "attention_resolutions": "8",
    "num_heads": 1,
    "resblock_updown": True,
    "noise_schedule": "cosine",
    "predict_xstart": True,
    "context_dim": 16,
    "patch": 4,
}
CLIP = {"size": 32, "dim": 16, "text_width": 32, "text_layers": 1, "widths": [16, 32], "blocks": [1, 1]}


def tiny_perceptor() -> Perceptor:
    torch.manual_seed(1)
    net = build_small_clip(CLIP).eval().requires_grad_(False)
    return Perceptor("primer", net, primer_tokens, size=net.flags.size, dim=net.flags.dim, maps=net.image.features)


def tiny_net(**flags: object) -> DiffusionNet:
    net = build_adm({**NET, **flags}).eval().requires_grad_(False)
    fill(net)
    return DiffusionNet(net, "0" * 64)


def fill(net: nn.Module) -> None:
    """Random weights everywhere, also where training starts with zeros."""
    generator = torch.Generator().manual_seed(2)
    for parameter in net.parameters():
        fan_in = max(parameter[0].numel(), 1) if parameter.ndim > 1 else 25
        parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)


class GaussianNet(nn.Module):
    """The ideal net for pictures whose pixels are independent, grey on average, with a spread of 0.5."""

    torso_dtype = torch.float32

    def __init__(self, predict_xstart: bool) -> None:
        super().__init__()
        self.flags = read_flags({**NET, "predict_xstart": predict_xstart})
        self.bars = alphas_cumprod("cosine", 1000)

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """E[x_0 | x_t], or the noise that follows from it."""
        bar = per_sample(self.bars[timesteps.long()])
        x_start = (0.25 * bar.sqrt() / (0.25 * bar + 1 - bar)).to(x) * x
        return x_start if self.flags.predict_xstart else predict_eps(x, x_start, bar)


def gaussian_runtime(predict_xstart: bool = True) -> Runtime:
    """A runtime whose net knows nothing, so that guidance alone makes the picture."""
    runtime = Runtime.open("cpu")
    runtime.net("diffusion:primer", lambda: DiffusionNet(GaussianNet(predict_xstart), "1" * 64))  # type: ignore[arg-type]
    runtime.net("perceptor:primer", tiny_perceptor)
    return runtime


def tiny_runtime(**flags: object) -> Runtime:
    """A runtime on the CPU that has the tiny primer already."""
    runtime = Runtime.open("cpu")
    runtime.net("diffusion:primer", lambda: tiny_net(**flags))
    runtime.net("perceptor:primer", tiny_perceptor)
    return runtime


def job_of(prompt: str, settings: Mapping[str, str] | None = None, **request: object) -> Job:
    """A job as the bot would build it; 256x256 unless *request* says otherwise, which the primer paints at 64x64."""
    built: DreamRequest = build_request(prompt, settings=settings, **request)  # type: ignore[arg-type]
    return Job("job", 1, "somebody", built)


def paint(method: Method[State], states: list[State], runtime: Runtime) -> list[Step]:
    """Advance all states together to their ends."""
    steps = method.advance(states, runtime)
    while not isinstance(steps[0], Finished):
        assert not isinstance(steps[0], Failed), steps[0]
        steps = method.advance(states, runtime)
    return steps
