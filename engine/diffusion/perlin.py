"""Perlin noise (1985) as a start image: two layers, coarse and fine, as in Disco Diffusion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.images.tensors import noise, to_signed

LAYERS = ((1, 12), (4, 8))
"""Per layer: cells per side in the first octave, and octaves. The cells double with each octave."""
FALL = 1.5
"""Amplitude of an octave over that of the next finer one."""
KINDS: Mapping[str, tuple[int, int]] = {"color": (3, 3), "gray": (1, 1), "mixed": (3, 1)}
"""Value of the option `perlin` → channels of the two layers."""


def perlin_picture(kind: str, seed: int, index: int, sides: tuple[int, int]) -> Tensor:
    """Noise for image *index*: [3, H, W] in [-1, 1], where *sides* = (H, W). Each channel spans the whole range."""
    layers = [
        _layer(number, cells, octaves, channels, seed, index, sides)
        for number, ((cells, octaves), channels) in enumerate(zip(LAYERS, KINDS[kind], strict=True))
    ]
    return to_signed(sum(layers[1:], layers[0]) / len(layers)).float()


def _layer(
    number: int, cells: int, octaves: int, channels: int, seed: int, index: int, sides: tuple[int, int]
) -> Tensor:
    """[3, H, W], stretched to [0, 1]. Octaves with cells smaller than two pixels are left out."""
    total = torch.zeros(channels, *sides, dtype=torch.float64)
    for octave in range(octaves):
        across = cells * 2**octave
        if across * 2 > min(sides) and octave:
            break
        corners = noise(seed, index, octave, f"perlin {number}", (2, channels, across + 1, across + 1)).double()
        total = total + FALL**-octave * _octave(corners / corners.norm(dim=0).clamp_min(1e-6), sides)
    low, high = total.amin((1, 2), keepdim=True), total.amax((1, 2), keepdim=True)
    return ((total - low) / (high - low).clamp_min(1e-9)).expand(3, -1, -1)


def _octave(corners: Tensor, sides: tuple[int, int]) -> Tensor:
    """Gradient noise: *corners* [2, C, n + 1, n + 1] are unit vectors at the corners of n by n cells → [C, H, W]."""
    cells = corners.shape[-1] - 1
    (row, down), (column, across) = (_inside(side, cells) for side in sides)
    down, across = down[:, None], across[None, :]

    def slope(below: int, right: int) -> Tensor:
        at = corners[:, :, (row + below)[:, None], (column + right)[None, :]]
        return at[0] * (down - below) + at[1] * (across - right)

    upper = torch.lerp(slope(0, 0), slope(0, 1), _eased(across))
    lower = torch.lerp(slope(1, 0), slope(1, 1), _eased(across))
    return torch.lerp(upper, lower, _eased(down))


def _inside(side: int, cells: int) -> tuple[Tensor, Tensor]:
    """For each pixel of a side: its cell, and its position in the cell, 0 to 1."""
    place = (torch.arange(side, dtype=torch.float64) + 0.5) / side * cells
    cell = place.floor().clamp(max=cells - 1)
    return cell.long(), place - cell


def _eased(t: Tensor) -> Tensor:
    """6t⁵ - 15t⁴ + 10t³: zero slope and curvature at 0 and 1 (Perlin 2002)."""
    return t**3 * (t * (6 * t - 15) + 10)
