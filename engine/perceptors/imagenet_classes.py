"""The names of ImageNet's classes and their CLIP embeddings, which choose the first classes of a GAN.

The names come from open_clip, in which OpenAI's wording for CLIP is included; their order is ImageNet's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.perceptors.open_clip import open_clip
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import NetProvider

NAMES: tuple[str, ...] = tuple(open_clip.IMAGENET_CLASSNAMES)
AS_CAPTION = "a photo of a {}"


def class_name(number: int) -> str:
    """The English name of class *number*, 0 to 999."""
    return NAMES[number]


def class_vectors(perceptor: str, runtime: NetProvider) -> Tensor:
    """The embedded names of all classes: [1000, D], unit vectors. Computed once per perceptor."""
    if runtime.device.type == "meta":  # a rehearsal wants to know the shape alone
        return torch.empty(len(NAMES), load_perceptor(perceptor, runtime).dim, device=runtime.device)

    def embed() -> Tensor:
        return load_perceptor(perceptor, runtime).encode_text([AS_CAPTION.format(name) for name in NAMES])

    return runtime.net(f"class names:{perceptor}", embed)
