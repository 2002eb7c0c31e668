"""An MLP that reads a CLIP text embedding for the diffusion network.

A linear layer recovers the named thing from three quarters of the texts, two hidden layers from nearly all: the noun is
not a linear function of the embedding. The output starts at zero, so the MLP can be added to a trained network.
"""

from __future__ import annotations

from torch import Tensor, nn

from engine.nets.adm_blocks import zeroed


class TextReader(nn.Module):
    """Text embeddings [N, D], scaled to entries of about 1 → a term of the time embedding, [N, E]."""

    def __init__(self, context_dim: int, width: int, emb_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(context_dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.out = zeroed(nn.Linear(width, emb_channels))

    def forward(self, context: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(self.body(context)))
        return out
