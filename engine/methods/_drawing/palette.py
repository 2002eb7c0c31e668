"""Colours out of a palette: nearest ones, dithering, first guesses, and contours.

The gradient passes a choice as if there were none (straight-through, Bengio et al. 2013), and reaches the chosen colour
of the palette as well, as in a VQ-VAE (van den Oord et al. 2017).
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from engine.guidance.warps import LUMA

STEP, SHARPNESS, DARKEST = 0.2, 40.0, 0.25
"""Difference of brightness at which a contour begins, its sharpness, and the brightness that is left."""
THRESHOLDS = {
    "checker": ((0, 1), (1, 0)),
    "bayer": ((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5)),
}


def quantised(colours: Tensor, palette: Tensor, pattern: Tensor | None) -> Tensor:
    """Colours [N, C, 3] → the nearest of *palette* [N, K, 3], all in [0, 1]; *pattern*: [C] in [-0.5, 0.5], dithers."""
    aimed = colours.detach()
    if pattern is not None:
        aimed = aimed + _spread(palette)[:, None, None] * pattern[None, :, None]
    nearest = torch.cdist(aimed, palette.detach()).argmin(2)
    chosen = palette.gather(1, nearest[..., None].expand(-1, -1, 3))
    return chosen + (colours - colours.detach()) if torch.is_grad_enabled() else chosen


def dither_pattern(kind: str, rows: int, columns: int) -> Tensor | None:
    """[rows · columns] in [-0.5, 0.5]; None for ``none``."""
    if kind == "none":
        return None
    levels = torch.tensor(THRESHOLDS[kind], dtype=torch.float32)
    levels = (levels + 0.5) / levels.numel() - 0.5 if kind == "bayer" else levels / 2 - 0.25
    side = len(levels)
    return levels[torch.arange(rows) % side][:, torch.arange(columns) % side].flatten()


def contoured(colours: Tensor, rows: int, columns: int) -> Tensor:
    """Colours [N, rows · columns, 3] in [0, 1], dark where one of the four neighbours is clearly brighter."""
    luma = (colours * colours.new_tensor(LUMA)).sum(2).reshape(-1, rows, columns)
    framed = F.pad(luma[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    beside = framed[:, 1:-1, :-2], framed[:, 1:-1, 2:], framed[:, :-2, 1:-1], framed[:, 2:, 1:-1]
    brighter = torch.stack(beside).amax(0)
    edge = torch.sigmoid((brighter - luma - STEP) * SHARPNESS).flatten(1)[..., None]
    return colours * (1 - (1 - DARKEST) * edge)


def palette_of(image: Image.Image, count: int) -> Tensor:
    """The *count* most useful colours of an image, by median cut: [count, 3] in [0, 1]."""
    small = image.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    levels = small.quantize(count, Image.Quantize.MEDIANCUT, kmeans=2).getpalette() or []
    colours = torch.tensor(levels[: 3 * count], dtype=torch.float32).reshape(-1, 3) / 255
    return torch.cat([colours, colours[-1:].expand(count - len(colours), 3)])


def spread_palette(lots: Tensor) -> Tensor:
    """Far apart colours: [L, 3] candidates in [0, 1] → [L // 16, 3]; each is the farthest from those before it."""
    chosen = [torch.zeros(3), torch.ones(3)]
    while len(chosen) < len(lots) // 16:
        gaps = torch.cdist(lots, torch.stack(chosen)).amin(1)
        chosen.append(lots[gaps.argmax()])
    return torch.stack(chosen)


def _spread(palette: Tensor) -> Tensor:
    """[N, K, 3] → [N]: the mean distance of each colour from the nearest other one, per channel."""
    gaps = torch.cdist(palette.detach(), palette.detach())
    gaps = gaps + 9 * torch.eye(gaps.shape[1]).to(gaps)
    return gaps.amin(2).mean(1) / 3**0.5
