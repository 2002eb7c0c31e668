"""The U-Nets of v-diffusion-pytorch (Crowson 2021), reading the published checkpoints; names are the reference's.

They predict v = α·ε - σ·x_0 (Salimans & Ho 2022) at the cosine time t, where α = cos(πt/2) and σ = sin(πt/2). Networks
with a text embedding modulate every map by it and by t, as StyleGAN does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.nets.flags import MAPPED_FEATURES, TIME_FEATURES, VDiffusionFlags, read_v_diffusion_flags
from engine.nets.kernels import attend
from engine.nets.resampling import DoubleBilinear, DoubleNearest


def build_v_diffusion(flags: Mapping[str, object]) -> VDiffusionNet:
    """The untrained net of these flags, in float32. Raises WeightsError for a wrong flag."""
    return VDiffusionNet(read_v_diffusion_flags(flags))


class RandomFeatures(nn.Module):
    """[N] → [N, *features*]: cosine and sine of 2π times random frequencies (Tancik et al. 2020)."""

    def __init__(self, features: int, std: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features // 2, 1) * std)

    def forward(self, t: Tensor) -> Tensor:
        angle = 2 * math.pi * t[:, None] @ self.weight.T
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class WholeNorm(nn.GroupNorm):
    """One group for all channels, computed in float32."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__(1, channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float()).to(x.dtype)


class Modulation(nn.Module):
    """Scales and shifts the channels of a map by a linear function of the condition."""

    def __init__(self, mapping: int, channels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(mapping, 2 * channels, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [N, C, H, W], condition [N, mapping] → [N, C, H, W]."""
        scale, shift = self.layer(condition.to(self.layer.weight.dtype)).to(x.dtype)[..., None, None].chunk(2, dim=1)
        out: Tensor = x * (scale + 1) + shift
        return out


class VBlock(nn.Module):
    """Two convolutions with a skip; each with ReLU, and with norm and modulation in a net that reads text.

    The reference wrote it as a sequence, so that its parameters are called `main.0`, `main.4`, …
    """

    def __init__(
        self, channels: int, width: int, out_channels: int, flags: VDiffusionFlags, *, last: bool = False
    ) -> None:
        super().__init__()
        bare = last and not flags.last_relu
        parts: list[nn.Module] = []
        for source, target, plain in ((channels, width, False), (width, out_channels, bare)):
            parts.append(nn.Conv2d(source, target, 3, padding=1))
            if flags.context_dim:
                parts.append(nn.Identity() if plain else WholeNorm(target, affine=False))
                parts.append(nn.Identity() if plain else Modulation(flags.mapping, target))
            parts.append(nn.Identity() if plain else nn.ReLU())
        self.main = nn.Sequential(*parts)
        self.skip: nn.Module = (
            nn.Identity() if channels == out_channels else nn.Conv2d(channels, out_channels, 1, bias=False)
        )

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        h = x
        for part in self.main:
            h = part(h, condition) if isinstance(part, Modulation) else part(h)
        out: Tensor = h + self.skip(x)
        return out


class VAttention(nn.Module):
    """Self-attention over all positions."""

    def __init__(self, channels: int, flags: VDiffusionFlags) -> None:
        super().__init__()
        self.heads = max(channels // flags.num_head_channels, 1)
        self.norm: nn.Module = nn.Identity() if flags.ported else WholeNorm(channels, affine=True)
        self.qkv_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.out_proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        n, c, height, width = x.shape
        qkv = self.qkv_proj(self.norm(x)).view(n, 3, self.heads, c // self.heads, height * width)
        q, k, v = (part.transpose(-1, -2).contiguous() for part in qkv.unbind(1))
        h = attend(q, k, v).transpose(-1, -2).reshape(n, c, height, width)
        out: Tensor = x + self.out_proj(h)
        return out


class DeeperLevel(nn.Module):
    """Halves the map, runs all deeper levels, doubles it, and concatenates the result with its input."""

    def __init__(self, main: list[nn.Module], *, skip_first: bool) -> None:
        super().__init__()
        self.main = nn.Sequential(*main)
        self.skip_first = skip_first


class VDiffusionNet(nn.Module):
    """x_t and the cosine time → v."""

    def __init__(self, flags: VDiffusionFlags) -> None:
        super().__init__()
        self.flags = flags
        self.torso_dtype = torch.float32
        self.checkpointing = False
        """Recompute activations in the backward pass instead of storing them."""
        if flags.context_dim:
            self.mapping_timestep_embed = RandomFeatures(MAPPED_FEATURES)
            self.mapping = nn.Sequential(
                _LinearBlock(flags.context_dim + MAPPED_FEATURES, flags.mapping),
                _LinearBlock(flags.mapping, flags.mapping, last=True),
            )
        self.timestep_embed = RandomFeatures(TIME_FEATURES, 0.2 if flags.ported else 1.0)
        self.net = nn.Sequential(*_level(flags, 0))

    def set_torso_dtype(self, dtype: torch.dtype) -> VDiffusionNet:
        """Keeps convolutions and modulation in *dtype*; norms, the mapping and the output stay in float32."""
        self.torso_dtype = dtype
        for module in self.net.modules():
            if isinstance(module, nn.Conv2d | Modulation):
                module.to(dtype)
        return self

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """v: [N, 3, H, W].

        Args:
            x: [N, 3, H, W] in [-1, 1] plus noise; sides are multiples of `flags.multiple`.
            t: [N], the cosine time, 0 (image) to 1 (noise).
            context: [N, context_dim] for a net that reads text; missing = zeros, as in its training without text.
        """
        condition = self._condition(t, context, len(x)) if self.flags.context_dim else None
        seen = _log_snr(t) if self.flags.ported else t
        planes = self.timestep_embed(seen)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        h = torch.cat([x, planes], dim=1).to(self.torso_dtype)
        return self._run(self.net, h, condition).to(x.dtype)

    def _condition(self, t: Tensor, context: Tensor | None, count: int) -> Tensor:
        dim = self.flags.context_dim
        told = t.new_zeros(count, dim) if context is None else F.normalize(context, dim=-1) * dim**0.5
        out: Tensor = self.mapping(torch.cat([told, self.mapping_timestep_embed(t)], dim=1))
        return out

    def _run(self, layers: nn.Sequential, h: Tensor, condition: Tensor | None) -> Tensor:
        for layer in layers:
            if isinstance(layer, DeeperLevel):
                deeper = self._run(layer.main, h, condition)
                h = torch.cat([h, deeper] if layer.skip_first else [deeper, h], dim=1)
            elif not isinstance(layer, VBlock | VAttention):
                h = layer(h)
            elif self.checkpointing and torch.is_grad_enabled():
                h = checkpoint(layer, h, condition, use_reentrant=False)
            else:
                h = layer(h, condition)
        return h


class _LinearBlock(nn.Module):
    """Two linear layers with a skip, with ReLU behind each unless it is the *last*."""

    def __init__(self, width: int, out_width: int, *, last: bool = False) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Linear(width, out_width),
            nn.ReLU(),
            nn.Linear(out_width, out_width),
            nn.Identity() if last else nn.ReLU(),
        )
        self.skip: nn.Module = nn.Identity() if width == out_width else nn.Linear(width, out_width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.main(x) + self.skip(x)
        return out


def _level(flags: VDiffusionFlags, level: int) -> Iterator[nn.Module]:
    """The layers of *level*, those of deeper ones inside; the first comes with halving, the last with doubling."""
    widths, deepest = flags.widths, level == len(flags.widths) - 1
    above, width = widths[level - 1] if level else 3 + TIME_FEATURES, widths[level]
    before = [above, *[width] * flags.num_res_blocks]
    behind = [width if deepest else 2 * width, *[width] * (flags.num_res_blocks - 1), above if level else 3]
    if level:
        yield nn.AvgPool2d(2)
    yield from _blocks(flags, level, before)
    if not deepest:
        yield DeeperLevel(list(_level(flags, level + 1)), skip_first=flags.ported)
    yield from _blocks(flags, level, behind, last=not level)
    if level:
        yield DoubleNearest() if flags.ported else DoubleBilinear()


def _blocks(flags: VDiffusionFlags, level: int, widths: list[int], *, last: bool = False) -> Iterator[nn.Module]:
    """Blocks from each of *widths* to the next, with attention behind each where the level has it."""
    for number, (channels, out_channels) in enumerate(pairwise(widths)):
        ends = last and number == len(widths) - 2
        yield VBlock(channels, flags.widths[level], out_channels, flags, last=ends)
        if flags.attends(level):
            yield VAttention(out_channels, flags)


def _log_snr(t: Tensor) -> Tensor:
    """log(α² / σ²) at the cosine time."""
    return 2 * ((t * (math.pi / 2)).cos().log() - (t * (math.pi / 2)).sin().log())
