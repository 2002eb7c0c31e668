"""Primer: the small net that ships with the package. Draws crisp edges into small, clean pictures.

It enlarges four times; every other scale is resampled from that.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
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
"""Context that resampling from ×4 wants beside what the net reaches, in small pixels."""


class PrimerUpscaler:
    """Tiles whose context covers all that the net reaches: the result is that of the untiled picture."""

    def missing(self) -> str:
        """The weights file, perhaps."""
        return "" if WEIGHTS.is_file() else "the small upscaler's weights are not installed (upscaler.safetensors)"

    def load(self, request: object, runtime: Runtime) -> None:
        """Raises ModelUnavailable, WeightsError."""
        self._net(runtime)

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Canvas]:
        """Raises UnreadablePicture, InvalidRequest."""
        image, scale = open_small(job, images)
        return [self.enlarge(job.id, 0, image, scale, runtime)]

    def enlarge(self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime) -> Canvas:
        """Tiles of 128² small pixels on a CPU, 512² on a GPU."""
        core = CPU_CORE if runtime.device.type == "cpu" else GPU_CORE
        context = self._net(runtime).reach + RESAMPLING
        return Canvas(job_id, index, image, scale, cut(*image.size, core=core, context=context))

    def lane(self, state: Canvas) -> Hashable:
        """Windows of one size go through the net together."""
        left, top, right, bottom = state.tile.window
        return right - left, bottom - top

    @torch.no_grad()
    def advance(self, states: list[Canvas], runtime: Runtime) -> list[Step]:
        """One tile each, in one forward pass."""
        net = self._net(runtime)
        windows = torch.stack([to_tensor(state.small.crop(state.tile.window)) for state in states])
        enlarged = net(windows.to(runtime.device))
        cores = [_core(state, to_image(large), net.scale) for state, large in zip(states, enlarged, strict=True)]
        return [state.paste(core) for state, core in zip(states, cores, strict=True)]

    def _net(self, runtime: Runtime) -> Compact:
        return runtime.net("upscaler:primer", lambda: _load(runtime.device))


def _load(device: torch.device) -> Compact:
    if not WEIGHTS.is_file():
        raise ModelUnavailable("The small upscaler's weights are not installed; “lanczos” is always there.")
    checkpoint = read_checkpoint(WEIGHTS)
    try:
        net = compact_from(checkpoint.tensors)
    except KeyError as error:
        raise WeightsError(f"“{WEIGHTS.name}” does not hold a compact upscaler: {error} is missing.") from error
    checkpoint.fill(net)
    return net.eval().requires_grad_(False).to(device)


def _core(state: Canvas, large: Image.Image, net_scale: int) -> Image.Image:
    """The core of an enlarged window at the wanted scale; resampling reads the context around it."""
    (window_left, window_top, _, _), (left, top, right, bottom) = state.tile.window, state.tile.core
    x, y, width, height = left - window_left, top - window_top, right - left, bottom - top
    box = (x * net_scale, y * net_scale, (x + width) * net_scale, (y + height) * net_scale)
    if state.scale == net_scale:
        return large.crop(box)
    return resample(large, box, (width * state.scale, height * state.scale))


UPSCALER = PrimerUpscaler()
