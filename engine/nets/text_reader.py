"""Hidden layers between a text embedding and the net: one matrix cannot read what the embedding holds.

The embedding of a CLIP tells texts apart by their angles. Which thing "a small red owl on blue" names is not one of its
directions: a single layer reads it from three quarters of the texts, two hidden layers from nearly all. It starts as no
change, so that it can be added to a finished net.
"""

from __future__ import annotations

from torch import Tensor, nn

from engine.nets.adm_blocks import zeroed


class TextReader(nn.Module):
    """A text embedding [N, D], scaled to entries of about 1 → what is added to the net's own reading of it, [N, E]."""

    def __init__(self, context_dim: int, width: int, emb_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(context_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = zeroed(nn.Linear(width, emb_channels))

    def forward(self, context: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(self.body(context)))
        return out
