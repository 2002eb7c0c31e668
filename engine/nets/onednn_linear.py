"""Large matrix products of frozen networks through oneDNN, 2.2 times as fast as MKL on AMD processors with AVX-512.

torch multiplies with MKL, which uses half of the vector width on processors not made by Intel; oneDNN uses all of it.
With AVX2 alone MKL is faster. The choice depends only on the processor and the shapes, so equal batches round equally.
Weights that are trained, and half precision, always use torch's own product.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_FLOPS = 2e7
"""Floating-point operations from which oneDNN is faster despite its setup cost."""
CAPABILITY = "AVX512"
"""The `get_cpu_capability()` with which oneDNN is faster (measured: 2.2 × with AVX-512, 0.85 × with AVX2)."""
TOLERANCE = 1e-4
_USABLE: list[bool] = []


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a [..., M, K] · b [K, N] + bias [N], in float32 on the CPU. Both may be transposed views."""
    # torch.compile fails on the mkldnn operation; it keeps a custom operation as it is.
    multiply = _compilable if torch.compiler.is_dynamo_compiling() else _product
    out: Tensor = multiply(a, b, bias)
    return out


def _product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(a, b.t(), bias, "none", [], "")
    return out


def _like_product(a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
    return a.new_empty((*a.shape[:-1], b.shape[1]))


_library: Any = torch.library.Library("dreambot", "DEF")  # type: ignore[no-untyped-call]
_library.define("product(Tensor a, Tensor b, Tensor? bias) -> Tensor")
_library.impl("product", _product, "CPU")
torch.library.register_fake("dreambot::product", _like_product, lib=_library)
_compilable = torch.ops.dreambot.product


def usable() -> bool:
    """Whether the processor has AVX-512 and oneDNN multiplies correctly. Tested once per process."""
    if not _USABLE:  # a list instead of functools.cache, which torch.compile cannot trace
        _USABLE.append(_tried())
    return _USABLE[0]


def _tried() -> bool:
    if torch.backends.cpu.get_cpu_capability() != CAPABILITY:
        return False
    try:
        a, b = torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(2, -1, 20).view(4, 5)
        return bool((product(a, b) - a @ b).abs().max() < TOLERANCE)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


def is_faster(x: Tensor, weight: Tensor, rows: int) -> bool:
    """Whether oneDNN is used, and faster, for the product of *weight* and *rows* rows of *x*."""
    plain = x.dtype is weight.dtype is torch.float32 and x.device.type == "cpu" and not weight.requires_grad
    return plain and 2 * rows * weight.numel() >= MIN_FLOPS and not torch.is_autocast_enabled("cpu") and usable()


class _Linear(torch.autograd.Function):
    """x [..., I] → x·Wᵀ + bias [..., O], differentiable with respect to x only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return product(x, weight.t(), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return product(gradient.contiguous(), weight), None, None


class _Pointwise(torch.autograd.Function):
    """x [N, I, P] → W·x + bias [N, O, P], differentiable with respect to x only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        out = _each(weight, x)
        return out if bias is None else out.add_(bias[:, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return _each(weight.t().contiguous(), gradient.contiguous()), None, None


def _each(weight: Tensor, x: Tensor) -> Tensor:
    """[O, I] · x [N, I, P], image by image, so that the rounding does not depend on the batch."""
    return product(weight, x[0])[None] if len(x) == 1 else torch.stack([product(weight, picture) for picture in x])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear`, through oneDNN where that is faster."""
    if not is_faster(x, weight, x.numel() // max(x.shape[-1], 1)):
        return F.linear(x, weight, bias)
    out: Tensor = _Linear.apply(x.contiguous(), weight, bias)  # type: ignore[no-untyped-call]
    return out


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """1×1 convolution through oneDNN: x [N, I, P], weight [O, I] → [N, O, P]."""
    out: Tensor = _Pointwise.apply(x.contiguous(), weight, bias)  # type: ignore[no-untyped-call]
    return out


class PointwiseConv1d(nn.Conv1d):
    """A 1×1 convolution of [N, C, T]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T] → [N, O, T]."""
        if not is_faster(x, self.weight, x.shape[2]):
            return super().forward(x)
        return pointwise(x, self.weight[:, :, 0], self.bias)


class PointwiseConv2d(nn.Conv2d):
    """A 1×1 convolution of [N, C, H, W]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, O, H, W]."""
        if not is_faster(x, self.weight, x.shape[2] * x.shape[3]):
            return super().forward(x)
        return pointwise(x.flatten(2), self.weight[:, :, 0, 0], self.bias).view(len(x), -1, *x.shape[2:])
