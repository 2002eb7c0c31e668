"""One guided step of a net of LSUN's size at 256×256, with a CLIP of ViT-B/32's size and 32 cuts, in float32: the
reference as the notebooks drive it (two passes through the U-Net, crops in a Python loop, one picture at a time),
against `clip_diffusion`. Weights are random; the work is that of the real ones.

Needs the reference for comparison only: `pip install --no-deps guided-diffusion-sdk==1.0.0`, which `make bench` does.
"""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.catalogue.models import MODELS
from engine.catalogue.registry import PUBLISHED
from engine.loaders.diffusion import DiffusionNet
from engine.methods import find_method
from engine.nets.adm import UNetModel, build_adm
from engine.nets.kernels import freeze, use_onednn
from engine.perceptors.open_clip import from_open_clip, open_clip
from engine.perceptors.perceptor import Perceptor
from engine.protocol.messages import Job
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime
from tests.benchmarks.measure import Figure, side_by_side

MODEL, STEPS, CUTS = "pixel-art", 25, 32
FLAGS = PUBLISHED[MODEL].flags
SETTINGS = {"cutouts": str(CUTS), "eta": "0", "clip_guidance_scale": "1000", "tv_scale": "150", "range_scale": "50"}


def run() -> list[Figure]:
    """The ratio, and ours over the bare cost of the nets."""
    runtime = Runtime.open("cpu", dtype=torch.float32)
    net, theirs = _net(), _perceptor()
    perceptor = copy.deepcopy(theirs)
    use_onednn(cast("nn.Module", perceptor.towers))  # as the engine does; the reference keeps PyTorch's own layers
    runtime.net(f"diffusion:{MODEL}", lambda: DiffusionNet(net))
    runtime.net(f"perceptor:{MODELS[MODEL].perceptor}", lambda: perceptor)
    ours = _our_step(runtime)
    reference = side_by_side(_reference_step(net, theirs), ours, rounds=2)
    bare = side_by_side(ours, _bare_step(net, perceptor), rounds=2)
    return [
        Figure("the reference's step", reference.before, "CPU s"),
        Figure("ours", reference.after, "CPU s"),
        Figure("speed-up at equal mathematics", reference.ratio, "×", "≥ 1.35 on a CPU"),
        Figure("ours over the nets' bare forward and backward", bare.ratio, "×", "≤ 1.05"),
    ]


def _net() -> UNetModel:
    torch.manual_seed(0)
    return freeze(build_adm(FLAGS), torch.device("cpu"))


def _perceptor() -> Perceptor:
    torch.manual_seed(1)
    return from_open_clip(MODELS[MODEL].perceptor, open_clip.create_model("ViT-B-32"), torch.device("cpu"))


def _our_step(runtime: Runtime) -> Callable[[], object]:
    request = build_request("a cosy room", model=MODEL, steps=STEPS, seed=0, settings=SETTINGS)
    method = find_method("clip_diffusion")
    method.load(request, runtime)
    states = method.begin(Job("bench", 1, "bench", request), {}, runtime)
    return lambda: method.advance(states, runtime)


def _bare_step(net: UNetModel, perceptor: Perceptor) -> Callable[[], object]:
    """One forward and one backward pass of both nets, and nothing else."""

    def step() -> None:
        x = torch.randn(1, 3, 256, 256, requires_grad=True)
        views = torch.randn(CUTS, 3, perceptor.size, perceptor.size, requires_grad=True)
        (seen,) = torch.autograd.grad(perceptor.towers.encode_image(views).sum(), views)
        torch.autograd.grad(net(x, torch.tensor([500])).sum() + seen.sum(), x)

    return step


def _reference_step(net: UNetModel, perceptor: Perceptor) -> Callable[[], object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script: Any = importlib.import_module("guided_diffusion.script_util")
    flags = {**script.model_and_diffusion_defaults(), **FLAGS}
    flags |= {"timestep_respacing": f"ddim{STEPS}", "use_fp16": False}
    theirs, diffusion = script.create_model_and_diffusion(**flags)
    theirs.load_state_dict(net.state_dict())
    theirs.eval().requires_grad_(False)
    for name, parameter in theirs.named_parameters():
        if any(
            part in name for part in ("qkv", "norm", "proj")
        ):  # without this its checkpointing cannot be run backwards
            parameter.requires_grad_()
    target = perceptor.encode_text(["a cosy room"])
    x, step = torch.randn(1, 3, 256, 256), STEPS - 1

    def guide(x: Tensor, _: Tensor, y: Tensor | None = None) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            out = diffusion.p_mean_variance(theirs, x, torch.tensor([step]), clip_denoised=False, model_kwargs={})
            share = float(diffusion.sqrt_one_minus_alphas_cumprod[step])
            seen = out["pred_xstart"] * share + x * (1 - share)
            views = perceptor.encode_image(_crops(seen.add(1).div(2), perceptor.size))
            distance = (views - target).norm(dim=-1).div(2).arcsin().square().mul(2).mean()
            smooth = F.pad(seen, (0, 1, 0, 1), "replicate")
            right, down = smooth[..., :-1, 1:] - smooth[..., :-1, :-1], smooth[..., 1:, :-1] - smooth[..., :-1, :-1]
            over = out["pred_xstart"] - out["pred_xstart"].clamp(-1, 1)
            loss = 1000 * distance + 150 * (right**2 + down**2).mean() + 50 * over.square().mean()
            return -torch.autograd.grad(loss, x)[0]

    return lambda: diffusion.ddim_sample(
        theirs, x, torch.tensor([step]), clip_denoised=False, cond_fn=guide, model_kwargs={}, eta=0.0
    )


def _crops(picture: Tensor, size: int) -> Tensor:
    """Random squares, one by one, each resized by adaptive pooling."""
    side = min(picture.shape[2:])
    crops = []
    for _ in range(CUTS):
        part = int(torch.rand([]) * (side - size) + size)
        top, left = (int(torch.randint(0, side - part + 1, ())) for _ in range(2))
        crops.append(F.adaptive_avg_pool2d(picture[:, :, top : top + part, left : left + part], size))
    return torch.cat(crops)
