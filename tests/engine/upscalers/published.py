"""The published upscalers' tensors: names and shapes as their files have them, at full size or shrunk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]


def rrdb(*, features: int = 64, blocks: int = 23, grow: int = 32, channels: int = 3) -> Shapes:
    """Real-ESRGAN's RRDBNet (basicsr). *channels* is 12 for ×2, whose pixels are folded first."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, given: int, made: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (made, given, 3, 3), (made,)

    convolution("conv_first", channels, features)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for layer in range(1, 6):
                made = features if layer == 5 else grow
                convolution(f"body.{block}.rdb{dense}.conv{layer}", features + (layer - 1) * grow, made)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        convolution(name, features, features)
    convolution("conv_last", features, 3)
    return shapes


def srvgg(*, features: int = 64, layers: int = 32, scale: int = 4) -> Shapes:
    """Real-ESRGAN's SRVGGNetCompact with PReLU."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(layers + 2):
        given, made = 3 if not layer else features, features if layer <= layers else 3 * scale**2
        shapes[f"body.{2 * layer}.weight"], shapes[f"body.{2 * layer}.bias"] = (made, given, 3, 3), (made,)
        if layer <= layers:
            shapes[f"body.{2 * layer + 1}.weight"] = (features,)
    return shapes


def swinir(*, dim: int, heads: int, depths: tuple[int, ...], conv: str, window: int = 8, side: int = 64) -> Shapes:
    """SwinIR for real-world pictures, ×4: nearest neighbours and convolutions at the end."""
    return dict(_swinir(dim, heads, depths, conv, window, side))


def _swinir(
    dim: int, heads: int, depths: tuple[int, ...], conv: str, window: int, side: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _both("conv_first", dim, 3, 3, 3)
    yield from _both("patch_embed.norm", dim)
    for i, depth in enumerate(depths):
        for j in range(depth):
            yield from _block(f"layers.{i}.residual_group.blocks.{j}", dim, heads, window, side if j % 2 else 0)
        yield from _residual(f"layers.{i}.conv", dim, conv)
    yield from _both("norm", dim)
    yield from _residual("conv_after_body", dim, conv)
    yield from _both("conv_before_upsample.0", 64, dim, 3, 3)
    for name in ("conv_up1", "conv_up2", "conv_hr"):
        yield from _both(name, 64, 64, 3, 3)
    yield from _both("conv_last", 3, 64, 3, 3)


def _block(name: str, dim: int, heads: int, window: int, side: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    pixels = window**2
    if side:
        yield f"{name}.attn_mask", ((side // window) ** 2, pixels, pixels)
    yield from _both(f"{name}.norm1", dim)
    yield f"{name}.attn.relative_position_bias_table", ((2 * window - 1) ** 2, heads)
    yield f"{name}.attn.relative_position_index", (pixels, pixels)
    yield from _both(f"{name}.attn.qkv", 3 * dim, dim)
    yield from _both(f"{name}.attn.proj", dim, dim)
    yield from _both(f"{name}.norm2", dim)
    yield from _both(f"{name}.mlp.fc1", 2 * dim, dim)
    yield from _both(f"{name}.mlp.fc2", dim, 2 * dim)


def _residual(name: str, dim: int, conv: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    if conv == "1conv":
        yield from _both(name, dim, dim, 3, 3)
        return
    yield from _both(f"{name}.0", dim // 4, dim, 3, 3)
    yield from _both(f"{name}.2", dim // 4, dim // 4, 1, 1)
    yield from _both(f"{name}.4", dim, dim // 4, 3, 3)


def _both(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


FULL: Mapping[str, Shapes] = {
    "realesrgan-x4plus": rrdb(),
    "realesrgan-x2plus": rrdb(channels=12),
    "realesrgan-anime": rrdb(blocks=6),
    "realesr-general": srvgg(),
    "realesr-general-wdn": srvgg(),
    "swinir-m": swinir(dim=180, heads=6, depths=(6,) * 6, conv="1conv"),
    "swinir-l": swinir(dim=240, heads=8, depths=(6,) * 9, conv="3conv"),
}
TINY: Mapping[str, Shapes] = {
    "realesrgan-x4plus": rrdb(features=8, blocks=2),
    "realesrgan-x2plus": rrdb(features=8, blocks=2, channels=12),
    "realesrgan-anime": rrdb(features=8, blocks=1),
    "realesr-general": srvgg(features=8, layers=3),
    "swinir-m": swinir(dim=12, heads=2, depths=(2,), conv="1conv", side=16),
    "swinir-l": swinir(dim=16, heads=2, depths=(2, 2), conv="3conv", side=16),
}
SCALES = {"realesrgan-x2plus": 2}
"""Of the others it is 4."""


def tensors(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random weights in these shapes, as large as nets of this kind are initialised."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _tensor(name, shape, generator) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name.endswith("relative_position_index"):
        return _positions(round(shape[0] ** 0.5))
    if name.endswith("attn_mask"):
        return torch.zeros(shape)
    if len(shape) == 1:  # slopes and norms are near one, biases near zero
        is_scale = name.endswith("weight")
        mean = 0.25 if is_scale and name.startswith("body") else float(is_scale)
        return torch.randn(shape, generator=generator) * 0.02 + mean
    fan = torch.Size(shape[1:]).numel()
    return torch.randn(shape, generator=generator) * math.sqrt(1.5 / fan)


def _positions(window: int) -> Tensor:
    """Which entry of the bias table belongs to each pair of a window's pixels (Swin Transformer, §3.2)."""
    lines = torch.arange(window)
    places = torch.stack([lines.repeat_interleave(window), lines.repeat(window)])
    offsets = places[:, :, None] - places[:, None, :] + window - 1
    return offsets[0] * (2 * window - 1) + offsets[1]
