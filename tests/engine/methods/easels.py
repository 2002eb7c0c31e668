"""Every method at tiny size, and what the tests of all methods ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from engine.catalogue.models import MODELS, add_models
from engine.catalogue.registry import Entry, Kind, add_entries
from engine.loaders.biggan import BigganNet
from engine.loaders.vqgan import VqganNet
from engine.methods import Finished, Method, biggan, biggan_clip, clip_diffusion, clipdraw, pixel_art, siren, vqgan_clip
from engine.methods import pixels as pixels_method
from engine.nets.biggan import Biggan
from engine.nets.flags import read_biggan_flags, read_vqgan_flags
from engine.nets.vqgan import Vqgan
from engine.runtime.runtime import Runtime
from tests.engine.methods.seen import pixels
from tests.engine.tiny import fill, job_of, paint, tiny_runtime
from tests.registered import registrations_undone

PROMPT = "a red circle on a blue background"
BIGGAN = {
    "output_dim": 32, "z_dim": 16, "class_embed_dim": 16, "channel_width": 4, "num_classes": 1000,
    "layers": [[True, 16, 8], [True, 8, 4], [True, 4, 2], [False, 2, 1]], "attention_layer_position": 2, "n_stats": 5,
}  # fmt: skip
VQGAN = {
    "n_embed": 32, "embed_dim": 4, "z_channels": 8, "resolution": 64, "ch": 8, "ch_mult": (1, 1, 2),
    "num_res_blocks": 1, "attn_resolutions": (8,), "norm_groups": 4, "patch": 2,
}  # fmt: skip
TINY = {"size": (32, 32), "multiple": 32, "smallest": 32, "largest": 32}


@dataclass(frozen=True)
class Easel:
    """*asks* and *settings*: what its requests say, unless a test says otherwise."""

    method: Method[Any]
    runtime: Runtime
    asks: Mapping[str, object]
    settings: Mapping[str, str]

    def begin(self, prompt: str = PROMPT, settings: Mapping[str, str] | None = None, **request: Any) -> list[Any]:
        """The states of one job's pictures."""
        images = request.pop("images", {})
        job = job_of(prompt, {**self.settings, **(settings or {})}, **{"seed": 7, **self.asks, **request})  # type: ignore[arg-type]
        return self.method.begin(job, images, self.runtime)

    def finish(self, states: list[Any]) -> list[np.ndarray]:
        """Their pictures, each [H, W, 3]."""
        return [pixels(step) for step in paint(self.method, states, self.runtime)]

    def near(self, prompt: str, steps: str, **settings: str) -> float:
        """How near the picture comes to the usual prompt, for the eye that guides."""
        wanted = self.begin()[0].own.targets.positive.numpy()
        (step,) = paint(self.method, self.begin(prompt, {"steps": steps, **settings}), self.runtime)
        assert isinstance(step, Finished)
        return float(np.dot(step.facts["embedding"], wanted))  # type: ignore[arg-type]


def tiny_biggan() -> BigganNet:
    net = Biggan(read_biggan_flags(BIGGAN)).eval().requires_grad_(False)
    fill(net)
    return BigganNet(net, "0" * 64)


def tiny_vqgan() -> VqganNet:
    net = Vqgan(read_vqgan_flags(VQGAN)).eval().requires_grad_(False)
    fill(net)
    return VqganNet(net, "0" * 64)


@contextmanager
def biggan_easel(name: str = "biggan_clip") -> Iterator[Easel]:
    """The tiny net as the model “tiny”, which the tiny CLIP guides, or a walk without a CLIP."""
    tiny = replace(MODELS["biggan-deep-128"], name="tiny", title="the tiny net", perceptor="primer", **TINY)  # type: ignore[arg-type]
    runtime = tiny_runtime()
    runtime.net("biggan:tiny", tiny_biggan)
    with registrations_undone():
        add_models([tiny])
        add_entries([Entry("tiny", Kind.BIGGAN, "the tiny net", "/w/tiny.bin", "free", flags=BIGGAN)])
        if name == "biggan":
            walk = {"steps": "6", "classes": "980:2+483", "through": "3"}
            yield Easel(biggan.METHOD, runtime, {"model": "tiny", "method": name}, walk)
        else:
            settings = {"steps": "6", "cutouts": "2", "classes": "all"}
            yield Easel(biggan_clip.METHOD, runtime, {"model": "tiny"}, settings)


@contextmanager
def vqgan_easel() -> Iterator[Easel]:
    """The tiny net in the place of the small model's."""
    runtime = tiny_runtime()
    runtime.net("vqgan:primer", tiny_vqgan)
    yield Easel(vqgan_clip.METHOD, runtime, {"method": "vqgan_clip"}, {"steps": "6", "cutouts": "2"})


@contextmanager
def shipped_easel(name: str) -> Iterator[Easel]:
    """A method of the small model without a generator of its own to replace."""
    method, settings = {
        "clip_diffusion": (clip_diffusion.METHOD, {"steps": "6", "cutouts": "2"}),
        "pixels": (pixels_method.METHOD, {"steps": "6", "cutouts": "2"}),
        "pixel_art": (pixel_art.METHOD, {"steps": "6", "cutouts": "2", "cells": "8", "palette": "pico8"}),
        "siren": (siren.METHOD, {"steps": "6", "cutouts": "2", "layers": "2", "width": "16"}),
        "clipdraw": (clipdraw.METHOD, {"steps": "6", "cutouts": "2", "strokes": "5", "curves": "1"}),
    }[name]
    yield Easel(method, tiny_runtime(), {"method": name, "size": "192x192"}, settings)


EASELS = {
    "biggan_clip": biggan_easel,
    "biggan": partial(biggan_easel, "biggan"),
    "vqgan_clip": vqgan_easel,
    **{name: partial(shipped_easel, name) for name in ("clip_diffusion", "pixels", "pixel_art", "clipdraw", "siren")},
}
"""Every method at tiny size."""
