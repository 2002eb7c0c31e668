"""Distance of a picture from its init image in CLIP's feature maps, computed as in LPIPS (Zhang et al. 2018).

The classic tools use a VGG with learned channel weights. `engine.nets.vgg_lpips` is that net; its files do not ship
with the package. Without them, the feature maps of the guiding CLIP replace it, because that net is loaded already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from engine.diffusion.denoiser import rolled
from engine.diffusion.perlin import perlin_picture
from engine.guidance.cutouts import Cuts, NoiseKey, cut
from engine.images.tensors import uniform
from engine.perceptors.perceptor import Perceptor, perceptual_distance

Resemblance: TypeAlias = Callable[[Tensor, Tensor, Sequence[NoiseKey]], Tensor]
"""Images, their init images (both [N, 3, H, W] in [-1, 1]) and their noise keys → distances [N]."""
HOLD = 7.0
"""Stand-in distance of two unrelated images. With it, init_scale=1000 holds the small model's images as well as 10000
does by `feature_distance` itself, which is what they need. LPIPS is about 0.7 there, and steeper for like images."""
SAMPLES, SIDE = 4, 64
_units: WeakKeyDictionary[Perceptor, float] = WeakKeyDictionary()


def stand_in(perceptor: Perceptor) -> Resemblance:
    """`feature_distance` in the maps of *perceptor*, scaled so that init_scale holds about as it does with LPIPS."""
    unit = _unit(perceptor)
    return lambda seen, inits, noise_keys: unit * feature_distance(perceptor, seen, inits, noise_keys)


@torch.no_grad()
def _unit(perceptor: Perceptor) -> float:
    """`HOLD` over the mean distance of unrelated clouds, in two digits: equal on all devices. Measured once."""
    if perceptor not in _units:
        clouds = torch.stack([perlin_picture("color", seed, 0, (SIDE, SIDE)) for seed in range(SAMPLES)])
        clouds = clouds.to(perceptor.device)
        keys = [NoiseKey(seed, 0, 0) for seed in range(SAMPLES)]
        mean = feature_distance(perceptor, clouds, clouds.roll(1, 0), keys).mean()
        if mean.is_meta:
            return 1.0
        _units[perceptor] = float(f"{HOLD / max(float(mean), 1e-3):.2g}")
    return _units[perceptor]


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
