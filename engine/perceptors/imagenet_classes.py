"""The CLIP embeddings of ImageNet's classes by their names, which choose the first classes of a GAN."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.catalogue.imagenet import IMAGENET
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import NetProvider

AS_CAPTION = "a photo of a {}"


def class_vectors(perceptor: str, runtime: NetProvider) -> Tensor:
    """The embedded names of all classes: [1000, D], unit vectors. Computed once per perceptor."""
    if runtime.device.type == "meta":  # a rehearsal wants to know the shape alone
        return torch.empty(len(IMAGENET), load_perceptor(perceptor, runtime).dim, device=runtime.device)

    def embed() -> Tensor:
        return load_perceptor(perceptor, runtime).encode_text([AS_CAPTION.format(name) for name in IMAGENET])

    return runtime.net(f"class names:{perceptor}", embed)
