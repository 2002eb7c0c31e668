"""Every model by name: the one in the package, the published ones, and the host's own after `add_models`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from engine.catalogue.model_builder import build_model, paints
from engine.catalogue.registry import PUBLISHED, Model

__all__ = ["DEFAULT_MODEL", "MODELS", "Model", "add_models"]

DEFAULT_MODEL = "primer"

PRIMER = Model(
    name="primer",
    title="the small model",
    methods=("clip_diffusion", "clipdraw", "pixel_art", "pixels", "siren", "vqgan_clip"),
    size=(256, 256),
    multiple=64,
    smallest=192,
    largest=512,
    scale=4,
    finish="primer",
    view_share=0.04,  # measured
    reads=True,
    limited_words=True,
    defaults={
        "clip_diffusion": {"steps": 15, "clamp_max": 0.0, "shift_max": 0.1},
        "clipdraw": {},
        "pixel_art": {},
        "pixels": {},
        "siren": {},
        "vqgan_clip": {
            "steps": 80,
            "cutouts": 6,
            "learning_rate": 0.3,
            "decay": "cosine",
            "cut_kind": "mixed",
            "flip": 0.0,
            "augment": "cda",  # the second CLIP's cosine: 0.52 for 0.45
        },
    },
)

_models = {PRIMER.name: PRIMER} | {e.name: build_model(e) for e in PUBLISHED.values() if paints(e.kind)}
MODELS: Mapping[str, Model] = MappingProxyType(_models)
"""Includes models whose weights are not downloaded."""


def add_models(own: Iterable[Model]) -> None:
    """Register the host's own models in this process. Call at its start."""
    _models.update((model.name, model) for model in own)
