"""The v-diffusion U-Net by its formulas alone: functions of a state dict, with no module of the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def features(weight: Tensor, value: Tensor) -> Tensor:
    angle = 2 * math.pi * value[:, None] * weight[:, 0][None]
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def modulated(state: State, name: str, x: Tensor, condition: Tensor) -> Tensor:
    whole = x.flatten(1)
    mean, variance = whole.mean(1), whole.var(1, unbiased=False)
    normed = (x - mean[:, None, None, None]) / (variance[:, None, None, None] + 1e-5).sqrt()
    both = condition @ state[name].T
    half = both.shape[1] // 2
    return normed * (1 + both[:, :half, None, None]) + both[:, half:, None, None]


def block(state: State, name: str, x: Tensor, condition: Tensor | None, ends: str) -> Tensor:
    """*ends*: what follows the second convolution: relu or nothing."""
    second = 2 if condition is None else 4
    h = F.conv2d(x, state[f"{name}.main.0.weight"], state[f"{name}.main.0.bias"], padding=1)
    if condition is not None:
        h = modulated(state, f"{name}.main.2.layer.weight", h, condition)
    h = h.clamp_min(0)
    h = F.conv2d(h, state[f"{name}.main.{second}.weight"], state[f"{name}.main.{second}.bias"], padding=1)
    if ends == "relu":
        if condition is not None:
            h = modulated(state, f"{name}.main.6.layer.weight", h, condition)
        h = h.clamp_min(0)
    skip = state.get(f"{name}.skip.weight")
    return h + (x if skip is None else torch.einsum("oi,nihw->nohw", skip[:, :, 0, 0], x))


def attention(state: State, name: str, x: Tensor, head: int) -> Tensor:
    n, c, height, width = x.shape
    seen = x
    if f"{name}.norm.weight" in state:
        whole = x.flatten(1)
        mean, variance = whole.mean(1), whole.var(1, unbiased=False)
        seen = (x - mean[:, None, None, None]) / (variance[:, None, None, None] + 1e-5).sqrt()
        seen = seen * state[f"{name}.norm.weight"][:, None, None] + state[f"{name}.norm.bias"][:, None, None]
    qkv = torch.einsum("oi,nihw->nohw", state[f"{name}.qkv_proj.weight"][:, :, 0, 0], seen)
    qkv = (qkv + state[f"{name}.qkv_proj.bias"][:, None, None]).flatten(2)
    out = torch.empty(n, c, height * width)
    for start in range(0, c, head):
        q, k, v = (qkv[:, part * c + start : part * c + start + head] for part in range(3))
        weights = torch.einsum("ncq,nck->nqk", q, k).div(head**0.5).softmax(dim=-1)
        out[:, start : start + head] = torch.einsum("nqk,nck->ncq", weights, v)
    out = torch.einsum("oi,nix->nox", state[f"{name}.out_proj.weight"][:, :, 0, 0], out)
    return x + (out + state[f"{name}.out_proj.bias"][:, None]).view(n, c, height, width)


def condition_of(state: State, t: Tensor, context: Tensor) -> Tensor:
    dim = context.shape[1]
    told = context / context.norm(dim=1, keepdim=True).clamp_min(1e-12) * dim**0.5
    x = torch.cat([told, features(state["mapping_timestep_embed.weight"], t)], dim=1)
    for number, last in ((0, False), (1, True)):
        name = f"mapping.{number}"
        h = (x @ state[f"{name}.main.0.weight"].T + state[f"{name}.main.0.bias"]).clamp_min(0)
        h = h @ state[f"{name}.main.2.weight"].T + state[f"{name}.main.2.bias"]
        skip = state.get(f"{name}.skip.weight")
        x = (h if last else h.clamp_min(0)) + (x if skip is None else x @ skip.T)
    return x


def v_of(
    state: State, x: Tensor, t: Tensor, context: Tensor | None, *, levels: int, blocks: int, attends: set[int],
    head: int, ported: bool = False, last_relu: bool = False,
) -> Tensor:  # fmt: skip
    """The whole net; *attends*: the levels with attention, 0 the largest maps."""
    condition = None if context is None else condition_of(state, t, context)
    seen = torch.log((t * math.pi / 2).cos() ** 2 / (t * math.pi / 2).sin() ** 2) if ported else t
    planes = features(state["timestep_embed.weight"], seen)[:, :, None, None]
    h = torch.cat([x, planes.repeat(1, 1, x.shape[2], x.shape[3])], dim=1)

    def level(number: int, name: str, h: Tensor) -> Tensor:
        at = 0
        if number:
            h, at = F.avg_pool2d(h, 2), 1
        deepest = number == levels - 1
        for side in (0, 1):
            for i in range(blocks):
                final = number == 0 and side == 1 and i == blocks - 1
                h = block(state, f"{name}.{at}", h, condition, "" if final and not last_relu else "relu")
                at += 1
                if number in attends:
                    h = attention(state, f"{name}.{at}", h, head)
                    at += 1
            if side == 0 and not deepest:
                deeper = level(number + 1, f"{name}.{at}.main", h)
                h = torch.cat([h, deeper] if ported else [deeper, h], dim=1)
                at += 1
        if number and ported:
            h = h.repeat_interleave(2, 2).repeat_interleave(2, 3)
        elif number:
            h = F.interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
        return h

    return level(0, "net", h)
