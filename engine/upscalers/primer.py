"""Primer: the small net that ships with the package. Draws crisp edges into small, clean pictures.

It enlarges four times, beyond that in two passes; every other scale is resampled from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.loaders.upscaler import VALUES, UpscalerNet
from engine.nets.kernels import freeze
from engine.upscalers._net import NetUpscaler

WEIGHTS = PRIMER_WEIGHTS / "upscaler.safetensors"


class Compact(nn.Module):
    """Real-ESRGAN's SRVGGNetCompact: RGB [N, 3, H, W] in [0, 1] → [N, 3, H·scale, W·scale], not clamped.

    Convolutions at the small size, one pixel shuffle, and a plain enlargement to which they add. State-dict names are
    the reference's, so its checkpoints load here. Importing spandrel for it would take seconds, and every image of the
    small model passes through this network.

    *features* channels, *layers* convolutions between the first and the last. *base*: the plain enlargement, "nearest"
    in the reference. Where a network is unsure, nearest leaves stairs and "bilinear" does not.
    """

    def __init__(self, features: int = 64, layers: int = 16, scale: int = 4, base: str = "nearest") -> None:
        super().__init__()
        self.scale, self.base = scale, base
        self.body = nn.ModuleList([nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)])
        for _ in range(layers):
            self.body += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.body.append(nn.Conv2d(features, 3 * scale**2, 3, padding=1))

    @property
    def reach(self) -> int:
        """Distance in pixels at which an input pixel can change an output pixel: one per 3×3 convolution."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.body)

    def forward(self, x: Tensor) -> Tensor:
        h = x
        for layer in self.body:
            h = layer(h)
        corners = None if self.base == "nearest" else False
        plain = F.interpolate(x, scale_factor=self.scale, mode=self.base, align_corners=corners)
        return F.pixel_shuffle(h, self.scale) + plain


def compact_from(tensors: Mapping[str, Tensor], base: str = "nearest") -> Compact:
    """A network without weights, of the shape of *tensors*. Raises KeyError for another architecture."""
    features = tensors["body.0.weight"].shape[0]
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("body."))
    scale = round((tensors[f"body.{last}.weight"].shape[0] / 3) ** 0.5)
    return Compact(features, last // 2 - 1, scale, base)


def _missing() -> str:
    return "" if WEIGHTS.is_file() else "the small upscaler's weights are not installed (upscaler.safetensors)"


def _load(device: torch.device, dtype: torch.dtype = torch.float32) -> UpscalerNet:
    """In float32 everywhere: it is small, and all pictures go through it."""
    if not WEIGHTS.is_file():
        raise ModelUnavailable("The small upscaler's weights are not installed; “lanczos” is always there.")
    checkpoint = read_checkpoint(WEIGHTS)
    try:
        net = compact_from(checkpoint.tensors, str(checkpoint.flags.get("base", "nearest")))
    except KeyError as error:
        raise WeightsError(f"“{WEIGHTS.name}” does not hold a compact upscaler: {error} is missing.") from error
    checkpoint.fill(net)
    return UpscalerNet(
        freeze(net, device),
        scale=net.scale,
        reach=net.reach,
        exact=True,
        values=VALUES["Compact"],
        sha256=checkpoint.sha256,
    )


UPSCALER = NetUpscaler("primer", _load, _missing)
