"""Cost of augmented views: forward and backward pass, over the same with plain views.
ViT-B/32 has its real shape and random weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.images.tensors import to_unit
from engine.perceptors.open_clip import from_open_clip, open_clip
from engine.perceptors.perceptor import Perceptor
from engine.perceptors.perceptor_loader import load_perceptor
from engine.requests.options.clip_views import TOOLS, read_augment
from engine.runtime.runtime import Runtime
from tests.benchmarks.measure import Figure, side_by_side

VIEWS = 8


def run() -> list[Figure]:
    """The ratio for each tool's changes."""
    clips = {"the small CLIP": load_perceptor("primer", Runtime.open()), "ViT-B/32": _random_clip()}
    return [
        Figure(f"augment={name}, {title}", 1 / _pair(perceptor, name), "× plain views", "≤ 1.25")
        for title, perceptor in clips.items()
        for name in TOOLS
    ]


def _pair(perceptor: Perceptor, name: str) -> float:
    picture = torch.rand(1, 3, 256, 256) * 2 - 1
    plain, changed = (CutRecipe(VIEWS, augment=read_augment(text)) for text in ("none", name))
    return side_by_side(lambda: look(perceptor, picture, plain), lambda: look(perceptor, picture, changed)).ratio


def look(perceptor: Perceptor, picture: Tensor, recipe: CutRecipe) -> Tensor:
    """The gradient of the views' similarity to a fixed direction."""
    leaf = picture.detach().requires_grad_()
    cuts = draw_cuts(recipe, 7, 0, 0, (picture.shape[2], picture.shape[3]), perceptor.size)
    seen = perceptor.encode_image(to_unit(cut(leaf, [cuts], perceptor.size)))
    (gradient,) = torch.autograd.grad(seen[:, 0].sum(), leaf)
    return gradient


def _random_clip() -> Perceptor:
    return from_open_clip("ViT-B/32", open_clip.create_model("ViT-B-32"), torch.device("cpu"))
