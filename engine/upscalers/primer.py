"""Primer: the small net that ships with the package. Draws crisp edges into small, clean pictures.

It enlarges four times, beyond that in two passes; every other scale is resampled from there.
"""

from __future__ import annotations

import torch

from engine.errors import ModelUnavailable, WeightsError
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.loaders.upscaler import VALUES, UpscalerNet
from engine.nets.compact import compact_from
from engine.upscalers._net import NetUpscaler

WEIGHTS = PRIMER_WEIGHTS / "upscaler.safetensors"


def _missing() -> str:
    """The weights file, perhaps."""
    return "" if WEIGHTS.is_file() else "the small upscaler's weights are not installed (upscaler.safetensors)"


def _load(device: torch.device, dtype: torch.dtype = torch.float32) -> UpscalerNet:
    """In float32 everywhere: it is small, and everybody's pictures go through it."""
    if not WEIGHTS.is_file():
        raise ModelUnavailable("The small upscaler's weights are not installed; “lanczos” is always there.")
    checkpoint = read_checkpoint(WEIGHTS)
    try:
        net = compact_from(checkpoint.tensors, str(checkpoint.flags.get("base", "nearest")))
    except KeyError as error:
        raise WeightsError(f"“{WEIGHTS.name}” does not hold a compact upscaler: {error} is missing.") from error
    checkpoint.fill(net)
    return UpscalerNet(
        net.eval().requires_grad_(False).to(device),
        scale=net.scale,
        reach=net.reach,
        exact=True,
        values=VALUES["Compact"],
        sha256=checkpoint.sha256,
    )


UPSCALER = NetUpscaler("primer", _load, _missing)
