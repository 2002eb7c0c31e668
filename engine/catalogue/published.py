"""The published checkpoints as models that people can ask for, with settings that suit them. No torch.

Settings: Crowson's and nerdyrodent's for the 256-pixel ImageNet net, Disco Diffusion's for the 512-pixel one and the
fine-tunes, clip-diffusion-art's for its own; with fewer steps, which Quick CLIP Guided Diffusion showed to suffice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from engine.catalogue.biggan_table import BIGGANS
from engine.catalogue.community_table import COMMUNITY, KALIYUGA
from engine.catalogue.diffusion_table import BASE
from engine.catalogue.entry import Entry
from engine.catalogue.flops import biggan_view_share, view_share
from engine.catalogue.model_info import Model
from engine.catalogue.vqgan_table import VQGANS
from engine.nets.adm_flags import read_flags
from engine.nets.biggan_flags import read_biggan_flags
from engine.nets.vqgan_flags import read_vqgan_flags

METHOD = "clip_diffusion"
LARGEST = 1536
"""The longest side, in pixels: what the tools of the time painted on large cards, and a bit."""

CLASSIC = {
    "steps": 50,
    "eta": 0.5,
    "clip_guidance_scale": 1000.0,
    "tv_scale": 150.0,
    "range_scale": 50.0,
    "cutouts": 32,
    "cut_noise": 0.01,
    "clamp_max": 0.05,
}
DISCO = {**CLASSIC, "steps": 100, "eta": 0.8, "clip_guidance_scale": 5000.0, "tv_scale": 0.0, "range_scale": 150.0}
ART = {**CLASSIC, "eta": 0.0, "clip_guidance_scale": 5000.0, "tv_scale": 100.0, "range_scale": 150.0}
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "imagenet-256": CLASSIC,
    "imagenet-128": CLASSIC,
    "imagenet-64": CLASSIC,
    "clip-diffusion-art": ART,
}
"""Where they are not Disco's."""
PERCEPTORS = {"clip-diffusion-art": "ViT-B/16"}
USUAL_PERCEPTOR = "ViT-B/32"
VQGAN_SIDES = 16, 128
"""Sides of a VQGAN's picture are multiples of the first, and no smaller than the second unless its training's were."""
NUM_CLASSES = 1000
"""Of ImageNet: what the class-conditional nets were trained with."""
NO_SETTINGS: Mapping[str, object] = MappingProxyType({})


def published_models() -> Iterator[Model]:
    """All that can be painted with: for `clip_diffusion`, the base nets first, for `vqgan_clip`, for `biggan_clip`."""
    for entry in (*BASE, *KALIYUGA, *COMMUNITY):
        yield model_of(entry, PERCEPTORS.get(entry.name, USUAL_PERCEPTOR), SETTINGS.get(entry.name, DISCO))
    yield from map(vqgan_model, VQGANS)
    yield from map(biggan_model, BIGGANS)


def vqgan_model(
    entry: Entry,
    perceptor: str = USUAL_PERCEPTOR,
    settings: Mapping[str, object] = NO_SETTINGS,
    size: tuple[int, int] | None = None,
) -> Model:
    """A VQGAN checkpoint as a model; without *settings* with the notebooks', which are the method's own."""
    flags = read_vqgan_flags(entry.flags)
    own, (multiple, smallest) = flags.resolution, VQGAN_SIDES
    multiple = math.lcm(multiple, flags.factor)
    return Model(
        name=entry.name,
        title=entry.title,
        methods=("vqgan_clip",),
        size=size or (own, own),
        multiple=multiple,
        smallest=max(min(smallest, own), multiple),
        largest=max(LARGEST // multiple * multiple, own),
        perceptor=perceptor,
        defaults={"vqgan_clip": dict(settings)},
    )


def biggan_model(
    entry: Entry,
    perceptor: str = USUAL_PERCEPTOR,
    settings: Mapping[str, object] = NO_SETTINGS,
    size: tuple[int, int] | None = None,
) -> Model:
    """A BigGAN checkpoint as a model; without *settings* with the method's own. It paints one size and no other.

    Classes that are not ImageNet's have no names here, so it begins with all of them.
    """
    flags = read_biggan_flags(entry.flags)
    own = flags.output_dim
    nameless = {} if flags.num_classes == NUM_CLASSES else {"classes": "all"}
    return Model(
        name=entry.name,
        title=entry.title,
        methods=("biggan_clip",),
        size=size or (own, own),
        multiple=own,
        smallest=own,
        largest=own,
        perceptor=perceptor,
        view_share=biggan_view_share(flags.channel_width, own, perceptor),
        classes=flags.num_classes,
        defaults={"biggan_clip": nameless | dict(settings)},
    )


def model_of(
    entry: Entry, perceptor: str, settings: Mapping[str, object], size: tuple[int, int] | None = None
) -> Model:
    """A diffusion checkpoint as a model. Sides are multiples of what its levels halve."""
    flags = read_flags(entry.flags)
    multiple = flags.patch * 2 ** (len(flags.channel_mult) - 1)
    own = flags.image_size
    return Model(
        name=entry.name,
        title=entry.title,
        methods=(METHOD,),
        size=size or (own, own),
        multiple=multiple,
        smallest=max(own // 2, multiple),
        largest=max(LARGEST, own),
        perceptor=perceptor,
        view_share=view_share(flags.num_channels, own, perceptor),
        train_steps=flags.diffusion_steps,
        classes=NUM_CLASSES if flags.class_cond else 0,
        reads=bool(flags.context_dim),
        defaults={METHOD: dict(settings)},
    )
