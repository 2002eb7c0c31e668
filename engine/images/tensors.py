"""Conversions between pictures and tensors, and random numbers that depend on a key instead of a generator's state.

An image tensor is RGB float32 in [0, 1]; inside diffusion it is in [-1, 1]. Only this module converts between them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RIM = 0.97
"""Largest absolute colour in `before_tanh`."""


Key: TypeAlias = tuple[int, int, int, str]
"""(seed, index, step, purpose) of `noise`."""


def noise(seed: int, index: int, step: int, purpose: str, shape: Sequence[int]) -> Tensor:
    """Standard normal numbers, float32 on the CPU, that depend only on these five values.

    Picture *index* of a job with *seed* has the noise of a lone picture with the seed `seed + index`, so that one
    picture of many can be painted again by itself. *purpose* keeps two uses within one step apart.
    """
    return torch.randn(tuple(shape), generator=_generator(seed, index, step, purpose))


def uniform(seed: int, index: int, step: int, purpose: str, shape: Sequence[int]) -> Tensor:
    """Like `noise`, but even in [0, 1)."""
    return torch.rand(tuple(shape), generator=_generator(seed, index, step, purpose))


def to_tensor(image: Image.Image) -> Tensor:
    """A PIL picture → [3, H, W] in [0, 1]. Transparency is laid on white."""
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32)).permute(2, 0, 1) / 255


def to_image(tensor: Tensor) -> Image.Image:
    """[3, H, W], clamped to [0, 1] and rounded to 8 bits → a PIL picture in RGB."""
    levels = (tensor.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy(), "RGB")


def to_unit(image: Tensor) -> Tensor:
    """[-1, 1] → [0, 1]."""
    return (image + 1) / 2


def to_signed(image: Tensor) -> Tensor:
    """[0, 1] → [-1, 1]."""
    return image * 2 - 1


def before_tanh(image: Tensor) -> Tensor:
    """An image in [-1, 1] → values whose tanh shows it, slightly paler so that they and their gradient stay finite."""
    return (RIM * image).atanh()


def per_sample(values: Tensor) -> Tensor:
    """[N] → [N, 1, 1, 1], to stand beside NCHW."""
    return values.view(-1, 1, 1, 1)


def _generator(seed: int, index: int, step: int, purpose: str) -> torch.Generator:
    key = f"{seed + index}/{step}/{purpose}".encode()
    digest = hashlib.blake2b(key, digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
