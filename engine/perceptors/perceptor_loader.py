"""Loads CLIPs by name: the package's small ones, OpenAI's, and any that open_clip knows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.nets.kernels import use_onednn
from engine.nets.primer.small_clip import build_small_clip
from engine.perceptors.perceptor import Perceptor
from engine.primer.vocabulary import tokenise
from engine.runtime.model_cache import modules_in
from engine.runtime.runtime import NetProvider

PRIMER_FILES = {"primer": "clip", "primer-grader": "grader"}
LARGEST_SCALE = 100.0
"""Upper bound of the softmax scale, as in CLIP's training (Radford et al. 2021, section 2.5)."""


def load_perceptor(name: str, runtime: NetProvider) -> Perceptor:
    """The CLIP *name*, loaded once. Raises ModelUnavailable or WeightsError.

    *name*: "primer" or "primer-grader" (shipped with the package), one of OpenAI's names ("ViT-B/32"), open_clip's
    "ViT-B-32/tag", or the path of one of OpenAI's files.
    """

    def load() -> Perceptor:
        perceptor = read_perceptor(name, runtime.device)
        for net in modules_in(perceptor):
            use_onednn(net)
        if tower := perceptor.image_tower:
            runtime.compiler.take(tower)
        return perceptor

    return runtime.net(f"perceptor:{name}", load)


def read_perceptor(name: str, device: torch.device) -> Perceptor:
    """A fresh copy of the CLIP *name* on *device*; see `load_perceptor`."""
    if name in PRIMER_FILES:
        return read_small_clip(name, PRIMER_FILES[name], device)
    from engine.perceptors.open_clip import load_open_clip  # takes seconds to import, and the primer does not need it

    return load_open_clip(name, device)


def read_small_clip(name: str, file: str, device: torch.device) -> Perceptor:
    """One of the package's CLIPs, from ``<file>.safetensors``. Raises WeightsError."""
    checkpoint = read_checkpoint(PRIMER_WEIGHTS / f"{file}.safetensors")
    net = build_small_clip(checkpoint.flags)
    checkpoint.fill(net)
    net = net.eval().requires_grad_(False).to(device)
    return Perceptor(
        name,
        net,
        primer_tokens,
        size=net.flags.size,
        dim=net.flags.dim,
        device=device,
        sha256=checkpoint.sha256,
        scale=min(float(net.log_scale.exp()), LARGEST_SCALE),
        maps=net.image.features,
    )


def primer_tokens(texts: Sequence[str]) -> Tensor:
    """N texts → [N, 24] token ids of the primer's vocabulary."""
    return torch.tensor([tokenise(text) for text in texts])
