"""Real-ESRGAN's compact upscaling network (SRVGGNetCompact): convolutions at the small size, one pixel shuffle.

State-dict names are the reference's, so its checkpoints load here. This class exists because
importing spandrel takes seconds, and every image of the small model passes through this network.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F


class Compact(nn.Module):
    """RGB [N, 3, H, W] in [0, 1] → [N, 3, H·scale, W·scale], not clamped: a residual over a plain enlargement.

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
