"""A head at half the patch size. It refines small things that patches blur.

A network with patches of 4 × 4 pixels must learn every outline at 16 offsets; with patches of 2 × 2, at four. The head
starts as the identity, so it can be added to a trained network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.adm_blocks import GroupNorm32, ResBlock, zeroed
from engine.nets.adm_flags import AdmFlags

_BLOCKS = 2


class FineHead(nn.Module):
    """Corrects the prediction of the coarse network from x_t, that prediction and the last feature map."""

    def __init__(self, flags: AdmFlags, emb_channels: int) -> None:
        super().__init__()
        self.patch, width = flags.patch // 2, flags.fine
        seen, answer = 3 * self.patch**2, 3 * self.patch**2 * (2 if flags.learn_sigma else 1)
        features = int(flags.channel_mult[0] * flags.num_channels)
        self.stem = nn.Conv2d(seen + answer, width, 3, padding=1)
        self.lift = nn.Conv2d(features, width, 1)
        if flags.sketch:
            self.sketch_in = zeroed(nn.Conv2d(flags.sketch * self.patch**2, width, 3, padding=1))
        self.blocks = nn.ModuleList(
            ResBlock(width, width, emb_channels, scale_shift=flags.use_scale_shift_norm, groups=flags.norm_groups)
            for _ in range(_BLOCKS)
        )
        self.out = nn.Sequential(
            GroupNorm32(width, flags.norm_groups), nn.SiLU(), zeroed(nn.Conv2d(width, answer, 3, padding=1))
        )

    def forward(self, x: Tensor, coarse: Tensor, features: Tensor, emb: Tensor, sketch: Tensor | None = None) -> Tensor:
        """x [N, 3, H, W], coarse [N, 3 or 6, H, W], features [N, C, H/patch, W/patch], emb [N, E] → as coarse.

        *sketch*: [N, 4, H, W], if the network has one.
        """
        seen = torch.cat([F.pixel_unshuffle(x, self.patch), F.pixel_unshuffle(coarse, self.patch)], dim=1)
        h = self.stem(seen) + F.interpolate(self.lift(features.to(seen.dtype)), scale_factor=2.0, mode="nearest")
        if sketch is not None:
            h = h + self.sketch_in(F.pixel_unshuffle(sketch, self.patch)).to(h.dtype)
        for block in self.blocks:
            h = block(h, emb)
        return coarse + F.pixel_shuffle(self.out(h), self.patch)
