"""Parts of the small diffusion model that its text steers: the reader, and the copy of the sketch."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def zeroed(module: M) -> M:
    """Set all weights of *module* to zero, so that a residual block starts as the identity."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class TextReader(nn.Module):
    """Text embeddings [N, D], scaled to entries of about 1 → a term of the time embedding, [N, E].

    A linear layer recovers the named thing from three quarters of the texts, two hidden layers from nearly all. The
    output starts at zero, so the MLP can be added to a trained network.
    """

    def __init__(self, context_dim: int, width: int, emb_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(context_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = zeroed(nn.Linear(width, emb_channels))

    def forward(self, context: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(self.body(context)))
        return out


class SketchCopy(nn.Module):
    """Blends x_0 with the sketch over it: the text says how much, and in which tint.

    Most pictures show the drawings of their sketch, pixel by pixel; pictures in ink or neon do not. A prediction that
    trusts x_t keeps every blur of the steps before. The module starts as the identity.
    """

    def __init__(self, context_dim: int) -> None:
        super().__init__()
        self.linear = zeroed(nn.Linear(context_dim, 7))
        """Per channel scale and shift of the copy's colours, and its share."""

    def forward(self, picture: Tensor, sketch: Tensor, context: Tensor) -> Tensor:
        """picture [N, 3, H, W], sketch [N, 4, H, W], context [N, context_dim] of unit vectors → as picture."""
        even = context * context.shape[1] ** 0.5
        scale, shift, share = self.linear(even)[:, :, None, None].split((3, 3, 1), dim=1)
        colour, cover = sketch[:, :3], sketch[:, 3:]
        blended: Tensor = picture + share.clamp(0, 1) * (colour * (1 + scale) + cover * (shift - picture))
        return blended
