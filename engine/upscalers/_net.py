"""Upscaling with a network, tile by tile: the size of tiles, the number of passes, the facts for the record.

A scale below the network's own is resampled from its result. A scale above it takes another pass over that result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from engine.errors import ModelUnavailable, NotFinite
from engine.images.tensors import to_image, to_tensor
from engine.methods import Failed, Running, Step
from engine.protocol.messages import Job
from engine.protocol.replay_record import StepConditions
from engine.runtime.tuning import use_threads
from engine.upscalers import PLAIN, Axes
from engine.upscalers._tiles import Canvas, Cutting, Unfinished, open_small, prepare, resample

if TYPE_CHECKING:
    from engine.loaders.upscaler import UpscalerNet
    from engine.runtime.runtime import Runtime

RESAMPLING = 4
"""Context that resampling needs beyond the reach of the network, in small pixels."""
STEP_FLOPS = 2e11
"""Work of one step on a CPU, about a second, for networks that can pause within a window."""
WINDOW_FLOPS = 1e12
"""Work of one window on a CPU, a few seconds, for networks that cannot pause."""
SHARE = 0.5
"""Share of the free memory for a window, because the estimate is rough."""
CORES = 128, 768
"""Least and largest side of a planned core. Smaller cores are tried when memory runs out."""
PAUSING_CORE = 256
"""Largest side of a core on a CPU for dense networks that can pause; a Compact takes what memory allows."""

Load = Callable[[torch.device, torch.dtype], "UpscalerNet"]


class NetUpscaler:
    """The upscaler *name*. *load* brings its network; *missing* says why it cannot be used, or nothing."""

    def __init__(self, name: str, load: Load, missing: Callable[[], str]) -> None:
        self.name = name
        self._load_net, self._missing = load, missing

    def missing(self) -> str:
        return self._missing()

    def load(self, request: object, runtime: Runtime) -> None:
        """Raises WeightsError, or ModelUnavailable, also for a net that restores where enlarging is asked for."""
        own, scale = self._net(runtime).scale, getattr(request, "scale", None)
        if scale == 1 and own != 1:
            raise ModelUnavailable(f"{self.name} enlarges pictures; a scale of 1 is for nets that restore them.")
        if scale != 1 and own == 1:
            raise ModelUnavailable(f"{self.name} restores pictures at their own size; it needs a scale of 1.")

    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Canvas]:
        """Raises UnreadablePicture, InvalidRequest."""
        image, scale, wrap = open_small(job, images)
        return [self.enlarge(job.id, 0, image, scale, runtime, wrap)]

    def enlarge(
        self, job_id: str, index: int, image: Image.Image, scale: int, runtime: Runtime, wrap: Axes = PLAIN
    ) -> Canvas:
        """Tiles as large as free memory allows; on a CPU also as large as a step may take."""
        net = self._net(runtime)
        cutting = plan(net, scale, runtime)
        surface = prepare(image, net.grain, net.smallest, wrap, cutting.context)
        canvas = Canvas(job_id, index, surface, scale, cutting)
        canvas.alone = bool(_pauses(net, runtime) and _work(net, canvas) > STEP_FLOPS)
        return canvas

    def batch_key(self, state: Canvas) -> Hashable:
        """Windows of one size go through the network together, equally often."""
        left, top, right, bottom = state.tile.window
        own = (state.job_id, state.index) if state.alone else None
        return right - left, bottom - top, state.scale, state.precise, state.bucket, own

    @torch.no_grad()
    def advance(self, states: list[Canvas], runtime: Runtime) -> list[Step]:
        """One tile each, together; of a canvas that is `alone` a part of its tile."""
        net = self._net(runtime, precise=states[0].precise)
        if states[0].alone and states[0].bucket == 1:
            return [self._advance_alone(state, net) for state in states]
        batch = states + [states[0]] * (states[0].bucket - len(states))
        conditions = StepConditions(len(batch), torch.get_num_threads())
        windows = torch.stack([to_tensor(state.small.crop(state.tile.window)) for state in batch])
        passes = count_passes(net.scale, states[0].scale)
        large, finite = torch.tensor(()), torch.tensor(())
        for made in _enlarging(net, windows.to(runtime.device), passes, pausing=False):
            large, finite = made or (large, finite)
        shown = [
            _shown(s, w, net.scale**passes) if ok else None for s, w, ok in zip(states, large, finite, strict=False)
        ]
        return [self._commit(state, image, net, conditions) for state, image in zip(states, shown, strict=True)]

    def _advance_alone(self, state: Canvas, net: UpscalerNet) -> Step:
        """As many parts of the network as make up a step, on the threads of the tile's first step."""
        passes, threads = count_passes(net.scale, state.scale), torch.get_num_threads()
        if state.unfinished is None:
            window = to_tensor(state.small.crop(state.tile.window))[None]
            state.unfinished = Unfinished(_enlarging(net, window, passes, pausing=True), threads)
        rest, own = state.unfinished.rest, state.unfinished.threads
        try:
            use_threads(own)
            made = next((made for made in islice(rest, _parts_of_a_step(net, state)) if made), None)
        except BaseException:
            state.unfinished = None
            raise
        finally:
            use_threads(threads)
        if made is None:
            return Running(state.step, state.steps)
        state.unfinished = None
        large, finite = made
        shown = _shown(state, large[0], net.scale**passes) if bool(finite[0]) else None
        return self._commit(state, shown, net, StepConditions(1, own))

    def reduce_memory(self, state: Canvas, runtime: Runtime) -> bool:
        """After out-of-memory: a smaller batch, then smaller tiles; False if nothing can be smaller."""
        if state.bucket > 1:
            state.bucket = 1
            return True
        return state.refine()

    def _commit(self, state: Canvas, shown: Image.Image | None, net: UpscalerNet, conditions: StepConditions) -> Step:
        if shown is None and net.dtype is torch.float32:
            return Failed(NotFinite(f"The numbers of “{self.name}” stopped being finite; its weights may be damaged."))
        if shown is None:  # too large for half precision: the same tile again, and all after it
            state.precise = True
            return Running(state.step, state.steps)
        dtype = str(net.dtype).removeprefix("torch.")
        resolved = {"upscaler": self.name, "upscaler_weights": net.sha256, "upscaler_dtype": dtype}
        return state.paste(shown, resolved, conditions)

    def _net(self, runtime: Runtime, *, precise: bool = False) -> UpscalerNet:
        dtype = torch.float32 if precise else runtime.dtype
        key = f"upscaler:{self.name}" + (":precise" if precise else "")
        return runtime.net(key, lambda: self._load_net(runtime.device, dtype))


def count_passes(net_scale: int, scale: int) -> int:
    """Passes through a network that upscales *net_scale* times, for *scale* times."""
    return next(passes for passes in range(1, 8) if net_scale**passes >= scale)


def plan(net: UpscalerNet, scale: int, runtime: Runtime) -> Cutting:
    """How images are cut for *net*: context as far as it reaches, cores as large as memory and time allow."""
    passes = count_passes(net.scale, scale)
    context = sum(math.ceil(net.reach / net.scale**again) for again in range(passes))
    if net.scale**passes != scale:
        context += RESAMPLING
    context = math.ceil(context / net.grain) * net.grain
    pauses = _pauses(net, runtime)
    pixels = int(runtime.free_memory() * SHARE) // (net.values * net.dtype.itemsize)  # that a window may have
    if runtime.device.type == "cpu" and not pauses:
        pixels = min(pixels, int(WINDOW_FLOPS / net.pixel_flops))
    side = math.isqrt(pixels // net.scale ** (2 * (passes - 1)))
    most = PAUSING_CORE if pauses and not net.exact else CORES[1]
    core = min(max(side - 2 * context, CORES[0]), max(most, CORES[0])) // net.grain * net.grain
    return Cutting(max(core, net.grain), context, 0 if net.exact else context // 2, net.grain)


def _pauses(net: UpscalerNet, runtime: Runtime) -> bool:
    """Whether windows of *net* are computed in several steps: on a CPU, where one would take many seconds."""
    return runtime.device.type == "cpu" and bool(net.parts)


def _work(net: UpscalerNet, canvas: Canvas) -> float:
    """Operations for the next window, of all passes."""
    left, top, right, bottom = canvas.tile.window
    passes = range(count_passes(net.scale, canvas.scale))
    pixels: int = sum((right - left) * (bottom - top) * net.scale ** (2 * again) for again in passes)
    return net.pixel_flops * pixels


def _parts_of_a_step(net: UpscalerNet, canvas: Canvas) -> int:
    """How many parts of the network a step takes; all are counted as equally large."""
    parts = sum(1 for module in net.net.modules() if type(module).__name__ == "RRDB") + len(net.parts)
    return max(int(parts * STEP_FLOPS / _work(net, canvas)), 1)


def _enlarging(
    net: UpscalerNet, windows: Tensor, passes: int, *, pausing: bool
) -> Iterator[tuple[Tensor, Tensor] | None]:
    """[N, 3, H, W] → None at pauses; at the end the windows after *passes* passes, and [N] whether all was finite."""
    large, finite = windows, torch.ones(len(windows), dtype=torch.bool)
    for _ in range(passes):
        for made in net.in_parts(large) if pausing else (net.enlarge(large),):
            if made is None:
                yield None
            else:
                last = made
        finite &= last.isfinite().flatten(1).all(1).cpu()
        large = last.clamp(0, 1)
    yield large, finite


def _shown(state: Canvas, window: Tensor, net_scale: int) -> Image.Image:
    """The part of its window that the next tile shows, at the wanted scale; *window* is *net_scale* times larger."""
    (window_left, window_top, _, _), (left, top, right, bottom) = state.tile.window, state.shown
    x, y, width, height = left - window_left, top - window_top, right - left, bottom - top
    box = (x * net_scale, y * net_scale, (x + width) * net_scale, (y + height) * net_scale)
    if state.scale == net_scale:
        return to_image(window[:, box[1] : box[3], box[0] : box[2]])
    return resample(to_image(window), box, (width * state.scale, height * state.scale))
