"""Scores a finished image with a perceptor."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.guidance.cutouts import CutRecipe, cut, draw_cuts
from engine.guidance.targets import Targets
from engine.images.tensors import to_signed, to_unit
from engine.perceptors.perceptor import Perceptor

DIGITS = 5


def named(*perceptors: Perceptor) -> dict[str, object]:
    """The guiding CLIPs for the replay record: their ids and the SHA-256 of their weights, each joined by “+”."""
    return {
        "perceptor": "+".join(p.id for p in perceptors),
        "perceptor_weights": "+".join(p.sha256 for p in perceptors),
    }


@torch.no_grad()
def judge(perceptor: Perceptor, picture: Tensor, targets: Targets) -> dict[str, object]:
    """[3, H, W] in [0, 1] → facts: clip_score (cosine with what is wanted), embedding of the whole picture, perceptor.

    A CLIP rates images too high that it has guided; rank with another perceptor.
    """
    whole = draw_cuts(CutRecipe(1), 0, 0, 0, (picture.shape[1], picture.shape[2]), perceptor.size)
    view = to_unit(cut(to_signed(picture.clamp(0, 1))[None], [whole], perceptor.size))
    embedding = perceptor.encode_image(view)[0]
    return {
        "clip_score": round(float(embedding @ targets.wanted), DIGITS),
        "embedding": [round(value, DIGITS) for value in embedding.tolist()],
        "perceptor": perceptor.id,
    }
