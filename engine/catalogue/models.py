"""Every model by name: the one in the package, the published ones, the host's own, and those that were trained here.

Sizes and costs of a model follow from the flags of the network in its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from importlib.resources import files
from typing import Any

from engine.catalogue.registry import PUBLISHED, Entry, Kind, Model, biggan_view_share, v_view_share, view_share
from engine.nets.flags import read_biggan_flags, read_flags, read_v_diffusion_flags, read_vqgan_flags

IMAGENET = tuple((files(__package__) / "imagenet.txt").read_text(encoding="utf-8").splitlines())
"""The names of ImageNet's 1,000 classes in their order, in OpenAI's wording for CLIP: `imagenet.txt`, one a line."""
MAX_SIDE = 1536
"""Longest side in pixels, a little more than the tools of 2022 could paint on large cards."""
VQGAN_MULTIPLE, VQGAN_MIN_SIDE = 16, 128
"""Sides are multiples of the first, and at least the second unless the training images were smaller."""

Size = tuple[int, int]


def build_model(entry: Entry, size: Size | None = None) -> Model:
    """The model with *entry*'s weights; *size* replaces the size of its training. Raises WeightsError for bad flags."""
    return _BUILDERS[entry.kind](entry, size)


def paints(kind: Kind) -> bool:
    """Whether weights of that kind can paint an image."""
    return kind in _BUILDERS


def check_flags(kind: Kind, flags: Mapping[str, object]) -> None:
    """Raises WeightsError for flags that a network of that kind cannot have."""
    if kind in _READERS:
        _READERS[kind](flags)


def _diffusion_model(entry: Entry, size: Size | None) -> Model:
    """Sides are multiples of what the levels of the network halve."""
    flags = read_flags(entry.flags)
    return _denoiser(
        entry,
        size,
        flags.image_size,
        flags.patch * 2 ** (len(flags.channel_mult) - 1),
        largest=max(MAX_SIDE, flags.image_size),
        view_share=view_share(flags.num_channels, flags.image_size, entry.perceptor),
        train_steps=flags.diffusion_steps,
        classes=len(IMAGENET) if flags.class_cond else 0,
        class_names=IMAGENET if flags.class_cond else (),
        reads=bool(flags.context_dim),
    )


def _v_diffusion_model(entry: Entry, size: Size | None) -> Model:
    flags = read_v_diffusion_flags(entry.flags)
    return _denoiser(
        entry,
        size,
        flags.image_size,
        flags.multiple,
        largest=max(MAX_SIDE, flags.image_size) // flags.multiple * flags.multiple,
        view_share=v_view_share(flags.teraflops(flags.image_size), entry.perceptor),
        train_steps=flags.diffusion_steps,
        reads=bool(flags.context_dim),
        free_guidance=flags.free_guidance,
    )


def _denoiser(entry: Entry, size: Size | None, own: int, multiple: int, **others: Any) -> Model:
    """A model of clip_diffusion. *own*: side of the training images; *others*: further fields of `Model`."""
    return Model(
        name=entry.name,
        title=entry.title,
        methods=("clip_diffusion",),
        size=size or (own, own),
        multiple=multiple,
        smallest=max(own // 2, multiple),
        perceptor=entry.perceptor,
        defaults={"clip_diffusion": dict(entry.defaults)},
        **others,
    )


def _vqgan_model(entry: Entry, size: Size | None) -> Model:
    flags = read_vqgan_flags(entry.flags)
    own, multiple = flags.resolution, math.lcm(VQGAN_MULTIPLE, flags.factor)
    return Model(
        name=entry.name,
        title=entry.title,
        methods=("vqgan_clip",),
        size=size or (own, own),
        multiple=multiple,
        smallest=max(min(VQGAN_MIN_SIDE, own), multiple),
        largest=max(MAX_SIDE // multiple * multiple, own),
        perceptor=entry.perceptor,
        defaults={"vqgan_clip": {"augment": "vqganclip", **entry.defaults}},
    )


def _biggan_model(entry: Entry, size: Size | None) -> Model:
    """A BigGAN paints one size. Classes other than ImageNet's have no names, so it starts from all of them."""
    flags = read_biggan_flags(entry.flags)
    own = flags.output_dim
    named = flags.num_classes == len(IMAGENET)
    nameless = {} if named else {"classes": "all"}
    return Model(
        name=entry.name,
        title=entry.title,
        methods=("biggan_clip", "biggan"),
        size=size or (own, own),
        multiple=own,
        smallest=own,
        largest=own,
        perceptor=entry.perceptor,
        view_share=biggan_view_share(flags.channel_width, own, entry.perceptor),
        classes=flags.num_classes,
        class_names=IMAGENET if named else (),
        defaults={"biggan_clip": nameless | dict(entry.defaults), "biggan": {}},
    )


_BUILDERS: Mapping[Kind, Callable[[Entry, Size | None], Model]] = {
    Kind.DIFFUSION: _diffusion_model,
    Kind.V_DIFFUSION: _v_diffusion_model,
    Kind.VQGAN: _vqgan_model,
    Kind.BIGGAN: _biggan_model,
}
_READERS: Mapping[Kind, Callable[[Mapping[str, object]], object]] = {
    Kind.DIFFUSION: read_flags,
    Kind.V_DIFFUSION: read_v_diffusion_flags,
    Kind.VQGAN: read_vqgan_flags,
    Kind.BIGGAN: read_biggan_flags,
}

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
