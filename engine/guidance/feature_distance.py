"""How far a picture looks from its init picture to a CLIP: LPIPS's distance (Zhang et al. 2018) in that net's own maps.

The classic tools asked a VGG whose channels had learned weights. Any net that knows pictures sees shapes, and the one
that guides is loaded already.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.diffusion.symmetry import rolled
from engine.guidance.cutouts import Cuts, cut
from engine.guidance.lpips import perceptual_distance
from engine.guidance.noise_key import NoiseKey
from engine.guidance.perceptor import Perceptor
from engine.images.tensors import uniform


def feature_distance(perceptor: Perceptor, seen: Tensor, inits: Tensor, noise_keys: Sequence[NoiseKey]) -> Tensor:
    """[N, 3, H, W] twice, in [-1, 1] → [N] in 0 … 2: each picture as a whole, in the maps of *perceptor*.

    Both are moved alike, otherwise in every turn, so that no grid of a net that sees in patches shows. The gradient
    reaches *seen* alone.
    """
    sides = seen.shape[2], seen.shape[3]
    draws = torch.stack([uniform(t.seed, t.index, t.step, "resemblance", (2,)) for t in noise_keys])
    down, across = ((draws[:, i] * side).long() for i, side in enumerate(sides))
    no = torch.zeros(1, dtype=torch.bool)
    whole = [Cuts(torch.tensor([[0, 0, *sides]]), no, no, None)] * len(noise_keys)
    return perceptual_distance(
        lambda images: perceptor.features(cut(images, whole, perceptor.size)),
        rolled(seen, down, across),
        rolled(inits, down, across),
    )
