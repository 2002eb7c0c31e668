"""Real-ESRGAN's compact upscaling net (SRVGGNetCompact): convolutions at the small size, one pixel shuffle at the end.

State-dict names are the reference's, so that its checkpoints load here and ours load in `spandrel`. An own class
because importing spandrel with its forty networks takes seconds, and the small model's pictures all pass through this.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F


class Compact(nn.Module):
    """RGB [N, 3, H, W] in [0, 1] → [N, 3, H·scale, W·scale], not clamped. Learns what nearest-neighbour lacks.

    *features* channels, *layers* convolutions between the first and the last, *scale* times larger.
    """

    def __init__(self, features: int = 64, layers: int = 16, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.ModuleList([nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)])
        for _ in range(layers):
            self.body += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.body.append(nn.Conv2d(features, 3 * scale**2, 3, padding=1))

    @property
    def reach(self) -> int:
        """How many pixels away an input pixel can still change an output pixel: one per 3×3 convolution."""
        return sum(isinstance(layer, nn.Conv2d) for layer in self.body)

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge."""
        h = x
        for layer in self.body:
            h = layer(h)
        return F.pixel_shuffle(h, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


def compact_from(tensors: Mapping[str, Tensor]) -> Compact:
    """An empty net of the shape that *tensors* have. Raises KeyError for those of another architecture."""
    features = tensors["body.0.weight"].shape[0]
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("body."))
    scale = round((tensors[f"body.{last}.weight"].shape[0] / 3) ** 0.5)
    return Compact(features, last // 2 - 1, scale)
