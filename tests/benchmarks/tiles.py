"""CPU seconds of an upscale in tiles over those of the untiled pass, in turn in one run. Real sizes, random weights."""

from __future__ import annotations

import torch

from engine.images.tensors import to_tensor
from engine.loaders.upscaler import UpscalerNet, describe, frozen_net
from engine.methods import Finished
from engine.runtime.runtime import Runtime
from engine.upscalers._net import NetUpscaler
from tests.benchmarks.measure import Figure, cpu_seconds
from tests.engine.upscalers.published import FULL, tensors
from tests.engine.upscalers.test_published import photo

SIDES = {"realesrgan-x4plus": (256, 320), "realesr-general": (256, 720)}
"""Upscaler → sides of square images: one that fits into a window on a CPU, and one that does not."""


def run() -> list[Figure]:
    """Each upscaler and size once: a pass takes up to half a minute."""
    figures = []
    for name, sides in SIDES.items():
        net = frozen_net(describe(name, tensors(FULL[name])), torch.device("cpu"), torch.float32)
        for side in sides:
            whole, tiled = untiled_seconds(net, side), tiled_seconds(net, side)
            figures.append(Figure(f"{name}, {side}×{side}: tiles over untiled", tiled / whole, "×", "≤ 1.15"))
    return figures


@torch.no_grad()
def untiled_seconds(net: UpscalerNet, side: int) -> float:
    """One pass over the whole image."""
    x = to_tensor(photo(side, side))[None]
    return cpu_seconds(lambda: net.enlarge(x))


def tiled_seconds(net: UpscalerNet, side: int) -> float:
    """Everything that the upscaler does: cutting, the net, blending."""
    upscaler, runtime = NetUpscaler("made", lambda device, dtype: net, lambda: ""), Runtime.open("cpu")
    state = upscaler.enlarge("a", 0, photo(side, side), net.scale, runtime)

    def work() -> None:
        while not isinstance(upscaler.advance([state], runtime)[0], Finished):
            pass

    return cpu_seconds(work)
