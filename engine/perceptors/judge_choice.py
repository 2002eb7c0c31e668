"""Chooses the CLIP that judges pictures: one that did not guide them, if possible. Imports no torch.

A CLIP rates pictures too high that it has guided, because guidance adds a texture to which only that CLIP responds.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from engine.catalogue.models import MODELS
from engine.catalogue.registry import CLIPS, clip_named, plain
from engine.requests.options.clip_views import guiding_clips
from engine.requests.request import DreamRequest
from engine.weights.store.folder import COMMAND, weights_folder

GRADER = "primer-grader"
"""Ships with the package; trained on the small models' pictures."""
SMALL = (GRADER, "primer")
BEST_FIRST = ("ViT-L/14@336px", "ViT-L/14", "ViT-B/16", "ViT-B/32", "RN50x16", "RN50x4", "RN101", "RN50", "RN50x64")


def guides_of(request: DreamRequest) -> frozenset[str]:
    """The CLIPs that guide a request; empty for an unknown model."""
    if request.model not in MODELS:
        return frozenset()
    return frozenset(clip.name for clip in guiding_clips(request.options, MODELS[request.model].perceptor))


def choose_grader(guides: Collection[str], environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The perceptor that judges pictures guided by *guides* (empty = unknown), and a note if it guided one of them.

    The grader judges the small models' pictures. The best installed OpenAI CLIP that guided none judges all others.
    """
    guiding = {plain(name) for name in guides if name}
    small = next((name for name in SMALL if name not in guiding), "")
    if small and guiding and guiding <= set(SMALL):
        return small, ""
    folder = weights_folder(environ)
    here = [name for name in BEST_FIRST if (entry := clip_named(name)) and folder.find(entry)]
    if fair := next((name for name in here if plain(name) not in guiding), ""):
        return fair, ""
    if not guiding:
        return GRADER, (
            "The small grader is used; it knows the small models' world only. For other pictures "
            f"run {COMMAND} download {CLIPS[0].name}."
        )
    guide = min(sorted(guides), key=lambda name: name in SMALL)
    other = next(name for name in ("ViT-B/32", "ViT-B/16") if plain(name) not in guiding)
    return guide, (
        f"Judged by {guide}, which guided these pictures and favours them; for a fairer judgement run {COMMAND} "
        f"download {other}."
    )
