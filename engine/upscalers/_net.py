"""Enlarging with a net, tile by tile: how tiles are cut for it, how often it is applied, and what it was that did it.

A net that enlarges four times is reduced from there where less is asked for; where more is asked for than it can do at
once, it is applied again to what came out, tile by tile as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from engine.errors import NotFinite
from engine.images.tensors import to_image, to_tensor
from engine.methods._base import Failed, Running, Step
from engine.protocol.messages import Job
from engine.protocol.step_log import StepConditions
from engine.upscalers._alpha import prepare
from engine.upscalers._tiles import Canvas, Cutting, open_small, resample

if TYPE_CHECKING:
    from engine.loaders.upscaler import UpscalerNet
    from engine.runtime.runtime import Runtime

RESAMPLING = 4
"""Context that resampling wants beside what the net reaches, in small pixels."""
STEP_FLOPS = 1e11
"""On a CPU a step should take a second or a few, so that it can be cancelled and others get their turn."""
SHARE = 0.5
"""Of the memory that is free; the estimate of what a net needs is rough."""
CORES = 96, 768
"""Cores are not planned smaller or larger than this; smaller ones are tried when memory runs out."""

Load = Callable[[torch.device, torch.dtype], "UpscalerNet"]


class NetUpscaler:
    """The upscaler *name*, whose net comes from *load*; *missing* says in words why it cannot, or nothing."""

    def __init__(self, name: str, load: Load, missing: Callable[[], str]) -> None:
        self.name = name
        self._load_net, self._missing = load, missing

    def missing(self) -> str:
        """Why it cannot be used here."""
        return self._missing()

    def load(self, request: object, runtime: Runtime) -> None:
        """Raises ModelUnavailable, WeightsError."""
        self._net(runtime)

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Canvas]:
        """Raises UnreadablePicture, InvalidRequest."""
        image, scale = open_small(job, images)
        return [self.enlarge(job.id, 0, image, scale, runtime)]

    def enlarge(self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime) -> Canvas:
        """Tiles as large as fit into the memory that is free; on a CPU as large as a step may take."""
        net = self._net(runtime)
        return Canvas(job_id, index, prepare(image, net.grain, net.smallest), scale, plan(net, scale, runtime))

    def batch_key(self, state: Canvas) -> Hashable:
        """Windows of one size go through the net together, equally often."""
        left, top, right, bottom = state.tile.window
        return right - left, bottom - top, state.scale, state.precise, state.bucket

    @torch.no_grad()
    def advance(self, states: list[Canvas], runtime: Runtime) -> list[Step]:
        """One tile each, together."""
        net = self._net(runtime, precise=states[0].precise)
        batch = states + [states[0]] * (states[0].bucket - len(states))
        terms = StepConditions(len(batch), torch.get_num_threads())
        windows = torch.stack([to_tensor(state.small.crop(state.tile.window)) for state in batch])
        large, finite = windows.to(runtime.device), torch.tensor(True)
        passes = count_passes(net.scale, states[0].scale)
        for _ in range(passes):
            large = net.enlarge(large)
            finite = finite & large.isfinite().flatten(1).all(1).cpu()
            large = large.clamp(0, 1)
        shown = [
            _shown(s, w, net.scale**passes) if ok else None for s, w, ok in zip(states, large, finite, strict=False)
        ]
        return [self._commit(state, image, net, terms) for state, image in zip(states, shown, strict=True)]

    def reduce_memory(self, state: Canvas, runtime: Runtime) -> bool:
        """After out-of-memory: smaller tiles from here on; False if they cannot be any smaller.

        A replay gives up its batch, if that is larger than it has to be, before anything else.
        """
        if state.bucket > 1:
            state.bucket = 1
            return True
        return state.refine()

    def _commit(self, state: Canvas, shown: Image.Image | None, net: UpscalerNet, terms: StepConditions) -> Step:
        if shown is None and net.dtype is torch.float32:
            return Failed(NotFinite(f"The numbers of “{self.name}” stopped being finite; its weights may be damaged."))
        if shown is None:  # too large for half precision: the same tile again, and all after it
            state.precise = True
            return Running(state.step, state.steps)
        dtype = str(net.dtype).removeprefix("torch.")
        resolved = {"upscaler": self.name, "upscaler_weights": net.sha256, "upscaler_dtype": dtype}
        return state.paste(shown, resolved, terms)

    def _net(self, runtime: Runtime, *, precise: bool = False) -> UpscalerNet:
        dtype = torch.float32 if precise else runtime.dtype
        key = f"upscaler:{self.name}" + (":precise" if precise else "")
        return runtime.net(key, lambda: self._load_net(runtime.device, dtype))


def count_passes(net_scale: int, scale: int) -> int:
    """How often a net that enlarges *net_scale* times is applied for a picture *scale* times larger."""
    return next(passes for passes in range(1, 8) if net_scale**passes >= scale)


def plan(net: UpscalerNet, scale: int, runtime: Runtime) -> Cutting:
    """How pictures are cut for *net*: as much context as it reaches, cores as large as memory and patience allow."""
    passes = count_passes(net.scale, scale)
    context = sum(math.ceil(net.reach / net.scale**again) for again in range(passes))
    if net.scale**passes != scale:
        context += RESAMPLING
    context = math.ceil(context / net.grain) * net.grain
    side = math.isqrt(_pixels(net, runtime) // net.scale ** (2 * (passes - 1)))
    core = min(max(side - 2 * context, CORES[0]), CORES[1]) // net.grain * net.grain
    return Cutting(max(core, net.grain), context, 0 if net.exact else context // 2, net.grain)


def _pixels(net: UpscalerNet, runtime: Runtime) -> int:
    """How many small pixels a window may have."""
    fit = int(runtime.free_memory() * SHARE) // net.pixel_bytes
    if runtime.device.type != "cpu":
        return fit
    weights = max(sum(parameter.numel() for parameter in net.net.parameters()), 1)
    return min(fit, int(STEP_FLOPS / (2 * weights)))


def _shown(state: Canvas, window: Tensor, net_scale: int) -> Image.Image:
    """What the next tile shows of its window, which the net made *net_scale* times larger, at the wanted scale."""
    (window_left, window_top, _, _), (left, top, right, bottom) = state.tile.window, state.shown
    x, y, width, height = left - window_left, top - window_top, right - left, bottom - top
    box = (x * net_scale, y * net_scale, (x + width) * net_scale, (y + height) * net_scale)
    if state.scale == net_scale:
        return to_image(window[:, box[1] : box[3], box[0] : box[2]])
    return resample(to_image(window), box, (width * state.scale, height * state.scale))
