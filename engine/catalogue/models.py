"""Which models there are: the one that ships with the package, the published ones, and your own. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from engine.catalogue.model_info import Model
from engine.catalogue.published import published_models

__all__ = ["DEFAULT_MODEL", "MODELS", "Model", "add_models"]

DEFAULT_MODEL = "primer"

PRIMER = Model(
    name="primer",
    title="the small model",
    methods=("clip_diffusion", "clipdraw", "pixels", "vqgan_clip"),
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
        "clip_diffusion": {"clamp_max": 0.0, "shift_max": 0.1},
        "clipdraw": {},
        "pixels": {},
        "vqgan_clip": {
            "steps": 80,
            "cutouts": 6,
            "learning_rate": 0.3,
            "decay": "cosine",
            "cut_kind": "mixed",
            "flip": 0.0,
        },
    },
)

_models = {model.name: model for model in (PRIMER, *published_models())}
MODELS: Mapping[str, Model] = MappingProxyType(_models)
"""By name; those that are not installed too."""


def add_models(own: Iterable[Model]) -> None:
    """Make these known in this process, behind the others; for its start, before anybody asks."""
    _models.update((model.name, model) for model in own)
