"""Cost of networks in 10¹² operations, for quotas and estimates. Counted, not measured."""

from __future__ import annotations

from collections.abc import Mapping

NET = 2.24
"""One forward pass of the 256-pixel ImageNet net at 256x256; backward to the picture costs as much again."""
NET_CHANNELS = 256
SECONDARY = 0.1
"""Forward and backward of the secondary net at 256x256."""
LPIPS = 0.12
"""LPIPS of an image of 256x256: forward and backward, and forward of the init image."""
CLIP: Mapping[str, float] = {
    "ViT-B/32": 0.0177,
    "ViT-B/16": 0.072,
    "ViT-L/14": 0.331,
    "ViT-L/14@336px": 0.797,
    "RN50": 0.0232,
    "RN101": 0.038,
    "RN50x4": 0.082,
    "RN50x16": 0.292,
    "RN50x64": 1.04,
}
"""Forward and backward of one view."""


BIGGAN: Mapping[int, float] = {128: 0.037, 256: 0.12, 512: 0.155}
"""Forward and backward of BigGAN-deep by its pictures' side, 128 channels wide."""
BIGGAN_CHANNELS = 128


def clip_cost(name: str) -> float:
    """Cost of one view through the CLIP *name*; unknown CLIPs cost as much as ViT-B/32."""
    return CLIP.get(name, CLIP["ViT-B/32"])


def gradient_cost(gradient: str, looks_apart: int = 0) -> float:
    """Cost of the gradient of one guided step, beside the net's forward pass and without the views.

    *looks_apart*: evaluations of guidance beside the step's own; 0 = guidance uses the step's own prediction.
    Each needs a forward pass, unless the secondary net gives the prediction.
    """
    back = {"net": NET, "secondary": SECONDARY, "xstart": 0.0}[gradient]
    forward = 0.0 if gradient == "secondary" else NET
    return looks_apart * (forward + back) if looks_apart else back


def view_share(channels: int, size: int, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one guided pass of an ADM net of that width and image size."""
    net = 2 * NET * (channels / NET_CHANNELS) ** 2 * (size / 256) ** 2
    return clip_cost(perceptor) / net


def v_view_share(teraflops: float, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one guided pass of a net whose forward pass costs *teraflops*."""
    return clip_cost(perceptor) / (2 * teraflops)


def biggan_view_share(channels: int, size: int, perceptor: str) -> float:
    """Cost of one view through *perceptor* over one forward and backward pass of a BigGAN."""
    nearest = min(BIGGAN, key=lambda side: abs(side - size))
    net = BIGGAN[nearest] * (size / nearest) ** 2 * (channels / BIGGAN_CHANNELS) ** 2
    return clip_cost(perceptor) / net
