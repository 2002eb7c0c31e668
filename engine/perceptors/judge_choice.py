"""Who judges pictures: a CLIP that did not guide them, where there is one. No torch.

A guide likes what it has guided, down to a grain that only it can see; a ranking by the guide rewards that grain.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from engine.catalogue.clips import CLIPS, clip_named, plain
from engine.catalogue.models import MODELS
from engine.requests.clip_weights import USUAL, read_perceptors
from engine.requests.request import DreamRequest
from engine.weights.store.folder import COMMAND, weights_folder

GRADER = "primer-grader"
"""Comes with the package; knows the small models' world."""
SMALL = (GRADER, "primer")
BEST_FIRST = ("ViT-L/14@336px", "ViT-L/14", "ViT-B/16", "ViT-B/32", "RN50x16", "RN50x4", "RN101", "RN50", "RN50x64")


def guides_of(request: DreamRequest) -> frozenset[str]:
    """The CLIPs that guide it; none for a model that nobody knows here."""
    if request.model not in MODELS:
        return frozenset()
    asked = getattr(request.options, "perceptors", USUAL)
    return frozenset(clip.name for clip in read_perceptors(asked, MODELS[request.model].perceptor))


def choose_grader(guides: Collection[str], environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The perceptor to judge pictures that *guides* have guided (none = nobody knows), and a note if it is not fair.

    The small models' pictures go to their grader; all others to the best of OpenAI's CLIPs that is here and has not
    guided any of them.
    """
    guiding = {plain(name) for name in guides if name}
    small = next((name for name in SMALL if name not in guiding), "")
    if small and guiding and guiding <= set(SMALL):
        return small, ""
    here = [name for name in BEST_FIRST if _is_here(name, environ)]
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


def _is_here(name: str, environ: Mapping[str, str]) -> bool:
    entry = clip_named(name)
    folder = weights_folder(environ)
    return entry is not None and folder.find(entry) is not None
