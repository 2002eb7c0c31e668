"""Share of the machine's peak that every family of nets reaches: multiplications and additions per second, over those
of a large matrix product (by torch or by oneDNN, whichever is faster) that is timed in turn with it, in float32 and on
one thread. Sizes are the real ones, weights are random. What guides is run forwards and backwards, with frozen weights;
what enlarges, forwards.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.catalogue.registry import PUBLISHED
from engine.loaders.checkpoint import PRIMER_WEIGHTS, read_checkpoint
from engine.loaders.upscaler import describe, frozen_net
from engine.nets import kernels
from engine.nets.adm import build_adm
from engine.nets.kernels import use_onednn
from engine.nets.primer.small_clip import build_small_clip
from engine.nets.secondary import SecondaryNet
from engine.perceptors.open_clip import from_open_clip, open_clip
from engine.upscalers.primer import compact_from
from tests.benchmarks.measure import Figure, cpu_seconds
from tests.engine.upscalers import published

SIDE = 2048
"""Of the matrices of the peak: large enough that only arithmetic counts."""
ROUNDS = 5
SECONDS = 15.0
"""CPU seconds for a net: those that take longer get fewer rounds, one at least."""

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Floor:
    """One net's work, and how it was done. *share*: of the peak's speed."""

    name: str
    flops: int
    share: float
    peak: float
    """Operations per CPU second of the matrix product beside it."""

    @property
    def figure(self) -> Figure:
        """Of the report."""
        return Figure(f"{self.name}: {self.flops / 1e9:,.3g} GFLOP, at", 100 * self.share, "% of the peak")


def run() -> list[Figure]:
    """Every family, the large ones last."""
    floors = [measured(name, make) for name, make in NETS.items()]
    peak = statistics.median(floor.peak for floor in floors)
    return [Figure("a large matrix product", peak / 1e9, "GFLOP per CPU s"), *(floor.figure for floor in floors)]


def measured(name: str, make: Callable[[], Run]) -> Floor:
    """Count, then time a net and the peak in turn; the share is the median of the rounds'."""
    gc.collect()
    work, products = make(), peak_products()
    flops = count(work)
    rounds, spent = list[tuple[float, float]](), 0.0
    while not rounds or (len(rounds) < ROUNDS and spent * (len(rounds) + 1) / len(rounds) < SECONDS):
        peak = max(2 * SIDE**3 / cpu_seconds(product) for product in products for _ in range(2))
        seconds = cpu_seconds(work)
        rounds.append((flops / seconds / peak, peak))
        spent += seconds
    shares, peaks = zip(*rounds, strict=True)
    return Floor(name, flops, statistics.median(shares), statistics.median(peaks))


def count(work: Run) -> int:
    """Multiplications and additions of *work*. Attention is taken apart for that, else it would not be counted."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), _torch_s_own():
        work()
    work()  # the way it will be timed
    return int(counter.get_total_flops())


@contextmanager
def _torch_s_own() -> Iterator[None]:
    """Products as torch has them: those of oneDNN are not counted."""
    usable, kernels.usable = kernels.usable, lambda: False
    try:
        yield
    finally:
        kernels.usable = usable


def peak_products() -> list[Run]:
    """A product of two large matrices, by every library that is here."""
    a, b = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    own: list[Run] = [lambda: a @ b]
    return [*own, lambda: kernels.product(a, b)] if kernels.usable() else own


def _guiding(net: Callable[[Tensor], Tensor], *shape: int) -> Run:
    """Forwards, and back to what came in."""
    x = torch.rand(shape)

    def run() -> None:
        leaf = x.detach().requires_grad_()
        net(leaf).sum().backward()  # type: ignore[no-untyped-call]

    return run


def _enlarging(net: Callable[[Tensor], Tensor], *shape: int) -> Run:
    x = torch.rand(shape)

    @torch.no_grad()
    def run() -> None:
        net(x)

    return run


def _frozen(net: nn.Module) -> Any:
    return kernels.freeze(net, torch.device("cpu"))


def _flags(name: str) -> Any:
    return read_checkpoint(PRIMER_WEIGHTS / f"{name}.safetensors").flags


def _unet(flags: Any, *shape: int) -> Run:
    net = _frozen(build_adm(flags))
    told: dict[str, Tensor] = {"context": torch.rand(shape[0], flags["context_dim"])} if "context_dim" in flags else {}
    return _guiding(lambda x: net(x, torch.full((shape[0],), 500), **told), *shape)


def _secondary() -> Run:
    net = SecondaryNet().eval().requires_grad_(False)
    return _guiding(lambda x: net(x, torch.full((1,), 0.5)), 1, 3, 256, 256)


def _primer_clip() -> Run:
    return _guiding(_frozen(build_small_clip(_flags("clip"))).encode_image, 16, 3, 64, 64)


def _clip() -> Run:
    perceptor = from_open_clip("ViT-B/32", open_clip.create_model("ViT-B-32"), torch.device("cpu"))
    use_onednn(cast("nn.Module", perceptor.towers))
    return _guiding(perceptor.towers.encode_image, 32, 3, perceptor.size, perceptor.size)


def _primer_upscaler() -> Run:
    net = compact_from(read_checkpoint(PRIMER_WEIGHTS / "upscaler.safetensors").tensors)
    return _enlarging(_frozen(net), 1, 3, 64, 64)


def _upscaler(name: str, side: int) -> Run:
    net = frozen_net(describe(name, published.tensors(published.FULL[name])), torch.device("cpu"), torch.float32)
    return _enlarging(net.enlarge, 1, 3, side, side)


NETS: dict[str, Callable[[], Run]] = {
    "the primer's U-Net, 1 picture": lambda: _unet(_flags("diffusion"), 1, 3, 64, 64),
    "the primer's U-Net, 4 pictures": lambda: _unet(_flags("diffusion"), 4, 3, 64, 64),
    "the primer's CLIP, 16 cuts": _primer_clip,
    "the primer's upscaler, 64×64": _primer_upscaler,
    "the secondary net, 256×256": _secondary,
    "CLIP ViT-B/32, 32 cuts": _clip,
    "realesr-general (Compact), 128×128": lambda: _upscaler("realesr-general", 128),
    "realesrgan-x4plus (RRDB), 64×64": lambda: _upscaler("realesrgan-x4plus", 64),
    "swinir-m, 64×64": lambda: _upscaler("swinir-m", 64),
    "a U-Net of LSUN's size, 256×256": lambda: _unet(PUBLISHED["pixel-art"].flags, 1, 3, 256, 256),
}
"""Name → how its work is made ready."""
