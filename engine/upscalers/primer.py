"""Primer: the small net that ships with the package. Draws crisp edges into small, clean pictures.

It enlarges four times, beyond that in two passes; every other scale is resampled from there.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image

from engine.checkpoints import PRIMER_WEIGHTS, read_checkpoint
from engine.errors import ModelUnavailable, WeightsError
from engine.messages import Job
from engine.nets.compact import Compact, compact_from
from engine.steps import Step
from engine.tensors import to_image, to_tensor
from engine.upscalers._tiles import Canvas, cut, open_small, resample

if TYPE_CHECKING:
    from engine.runtime import Runtime

WEIGHTS = PRIMER_WEIGHTS / "upscaler.safetensors"
CPU_CORE = 128
GPU_CORE = 512
RESAMPLING = 4
"""Context that resampling wants beside what the net reaches, in small pixels."""


@dataclass(frozen=True)
class Loaded:
    """The net and the hash of its weights."""

    net: Compact
    sha256: str


class PrimerUpscaler:
    """Tiles whose context covers all that the net reaches: the result is that of the untiled picture."""

    def missing(self) -> str:
        """The weights file, perhaps."""
        return "" if WEIGHTS.is_file() else "the small upscaler's weights are not installed (upscaler.safetensors)"

    def load(self, request: object, runtime: Runtime) -> None:
        """Raises ModelUnavailable, WeightsError."""
        self._load(runtime)

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Canvas]:
        """Raises UnreadablePicture, InvalidRequest."""
        image, scale = open_small(job, images)
        return [self.enlarge(job.id, 0, image, scale, runtime)]

    def enlarge(self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime) -> Canvas:
        """Tiles of 128² small pixels on a CPU, 512² on a GPU; fewer where a second pass sees four times as many."""
        core = CPU_CORE if runtime.device.type == "cpu" else GPU_CORE
        net = self._load(runtime).net
        context = net.reach + RESAMPLING
        if _passes(net, scale) > 1:
            core, context = core // net.scale, context + math.ceil(net.reach / net.scale)
        return Canvas(job_id, index, image, scale, cut(*image.size, core=core, context=context))

    def lane(self, state: Canvas) -> Hashable:
        """Windows of one size go through the net together, equally often."""
        left, top, right, bottom = state.tile.window
        return right - left, bottom - top, state.scale

    @torch.no_grad()
    def advance(self, states: list[Canvas], runtime: Runtime) -> list[Step]:
        """One tile each, together."""
        loaded = self._load(runtime)
        net, resolved = loaded.net, {"upscaler": "primer", "upscaler_weights": loaded.sha256}
        passes = _passes(net, states[0].scale)
        windows = torch.stack([to_tensor(state.small.crop(state.tile.window)) for state in states]).to(runtime.device)
        for _ in range(passes):
            windows = net(windows).clamp(0, 1)
        cores = [_core(s, to_image(large), net.scale**passes) for s, large in zip(states, windows, strict=True)]
        return [state.paste(core, resolved) for state, core in zip(states, cores, strict=True)]

    def _load(self, runtime: Runtime) -> Loaded:
        return runtime.net("upscaler:primer", lambda: _load(runtime.device))


def _load(device: torch.device) -> Loaded:
    if not WEIGHTS.is_file():
        raise ModelUnavailable("The small upscaler's weights are not installed; “lanczos” is always there.")
    checkpoint = read_checkpoint(WEIGHTS)
    try:
        net = compact_from(checkpoint.tensors)
    except KeyError as error:
        raise WeightsError(f"“{WEIGHTS.name}” does not hold a compact upscaler: {error} is missing.") from error
    checkpoint.fill(net)
    return Loaded(net.eval().requires_grad_(False).to(device), checkpoint.sha256)


def _passes(net: Compact, scale: int) -> int:
    """How often the net is applied for a picture *scale* times larger."""
    return 1 if scale <= net.scale else 2


def _core(state: Canvas, large: Image.Image, net_scale: int) -> Image.Image:
    """The core of a window that the net made *net_scale* times larger, at the wanted scale."""
    (window_left, window_top, _, _), (left, top, right, bottom) = state.tile.window, state.tile.core
    x, y, width, height = left - window_left, top - window_top, right - left, bottom - top
    box = (x * net_scale, y * net_scale, (x + width) * net_scale, (y + height) * net_scale)
    if state.scale == net_scale:
        return large.crop(box)
    return resample(large, box, (width * state.scale, height * state.scale))


UPSCALER = PrimerUpscaler()
