"""Turns a checkpoint's entry into a `Model`: sizes and costs follow from the flags of its network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from engine.catalogue.imagenet import IMAGENET
from engine.catalogue.registry import Entry, Kind, Model, biggan_view_share, v_view_share, view_share
from engine.nets.adm_flags import read_flags
from engine.nets.biggan_flags import read_biggan_flags
from engine.nets.v_diffusion.flags import read_v_diffusion_flags
from engine.nets.vqgan_flags import read_vqgan_flags

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
