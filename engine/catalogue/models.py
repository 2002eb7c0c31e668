"""Every model by name: the one in the package, the published ones, the host's own, and those that were trained here."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView

from engine.catalogue.model_builder import build_model, paints
from engine.catalogue.registry import PUBLISHED, Model

__all__ = ["DEFAULT_MODEL", "MODELS", "PUBLISHED_MODELS", "Model", "add_models", "set_trained_models"]

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

PUBLISHED_MODELS = {PRIMER.name: PRIMER} | {e.name: build_model(e) for e in PUBLISHED.values() if paints(e.kind)}
_own: dict[str, Model] = {}


class KnownModels(Mapping[str, Model]):
    """Models by name. A change replaces `now`, so a thread that iterates at that time sees one state."""

    def __init__(self, now: dict[str, Model]) -> None:
        self.now = now

    def __getitem__(self, name: str) -> Model:
        return self.now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)

    def keys(self) -> KeysView[str]:
        return self.now.keys()

    def values(self) -> ValuesView[Model]:
        return self.now.values()

    def items(self) -> ItemsView[str, Model]:
        return self.now.items()


_known = KnownModels(PUBLISHED_MODELS)
MODELS: Mapping[str, Model] = _known
"""Includes models whose weights are not downloaded."""


def add_models(own: Iterable[Model]) -> None:
    """Register the host's own models in this process. Call at its start."""
    _own.update((model.name, model) for model in own)
    _known.now = {**_known.now, **_own}


def set_trained_models(trained: Iterable[Model]) -> None:
    """Register models that were trained here, in place of those of the last call. One of the host's own hides them."""
    _known.now = {**PUBLISHED_MODELS, **{model.name: model for model in trained}, **_own}
