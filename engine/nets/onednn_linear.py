"""Large matrix products of frozen nets through oneDNN: 2.2 times as fast as torch's own on an AMD with AVX-512.

torch multiplies by MKL, which uses half of the vector width on processors that are not Intel's. oneDNN uses all of it
with AVX-512. With AVX2 alone MKL is faster, so `get_cpu_capability` decides. Linear layers, attention and 1×1
convolutions are products. The choice depends on the processor and on shapes, so equal batches are rounded equally.

torch's own way remains for weights that are trained, for half precision, and where oneDNN's numbers are wrong.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WORTH = 2e7
"""Multiplications and additions from which oneDNN is faster; smaller products do not pay for its preparation."""
CAPABILITY = "AVX512"
"""torch's name for the processors on which oneDNN is faster (measured: 2.2 × with AVX-512, 0.85 × with AVX2)."""
NEAR = 1e-4
_VERDICT: list[bool] = []


def product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a [..., M, K] · b [K, N] + bias [N], in float32 on a processor; both may be transposed views."""
    # torch's compiler has ideas of its own about oneDNN's operation and stumbles over them; ours it leaves as it is.
    take = _compilable if torch.compiler.is_dynamo_compiling() else _product
    out: Tensor = take(a, b, bias)
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
    """Whether the processor has AVX-512 and torch's oneDNN multiplies correctly; tried once per process."""
    if not _VERDICT:  # a list, and no `cache`: what is compiled reads it, and cannot see through a cache
        _VERDICT.append(_tried())
    return _VERDICT[0]


def _tried() -> bool:
    if torch.backends.cpu.get_cpu_capability() != CAPABILITY:
        return False
    try:
        a, b = torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(2, -1, 20).view(4, 5)
        return bool((product(a, b) - a @ b).abs().max() < NEAR)
    except (AttributeError, NotImplementedError, RuntimeError):
        return False


def is_worth(x: Tensor, weight: Tensor, rows: int) -> bool:
    """Whether the product of *weight* and *rows* rows of *x* goes through oneDNN."""
    plain = x.dtype is weight.dtype is torch.float32 and x.device.type == "cpu" and not weight.requires_grad
    return plain and 2 * rows * weight.numel() >= WORTH and not torch.is_autocast_enabled("cpu") and usable()


class _Linear(torch.autograd.Function):
    """x [..., I] → x·Wᵀ + bias [..., O], differentiable by x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(weight)
        return product(x, weight.t(), bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        return product(gradient.contiguous(), weight), None, None


class _Pointwise(torch.autograd.Function):
    """x [N, I, P] → W·x + bias [N, O, P], differentiable by x alone."""

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
    """[O, I] times each picture [I, P] of x, one by one: a picture's neighbours do not matter."""
    return product(weight, x[0])[None] if len(x) == 1 else torch.stack([product(weight, picture) for picture in x])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear`, the faster way."""
    if not is_worth(x, weight, x.numel() // max(x.shape[-1], 1)):
        return F.linear(x, weight, bias)
    out: Tensor = _Linear.apply(x.contiguous(), weight, bias)  # type: ignore[no-untyped-call]
    return out


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution that looks at one place at a time: x [N, I, P], weight [O, I] → [N, O, P]. Not for small ones."""
    out: Tensor = _Pointwise.apply(x.contiguous(), weight, bias)  # type: ignore[no-untyped-call]
    return out


class PointConv1d(nn.Conv1d):
    """A 1×1 convolution of [N, C, T]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T] → [N, O, T]."""
        if not is_worth(x, self.weight, x.shape[2]):
            return super().forward(x)
        return pointwise(x, self.weight[:, :, 0], self.bias)


class PointConv2d(nn.Conv2d):
    """A 1×1 convolution of [N, C, H, W]."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, O, H, W]."""
        if not is_worth(x, self.weight, x.shape[2] * x.shape[3]):
            return super().forward(x)
        return pointwise(x.flatten(2), self.weight[:, :, 0, 0], self.bias).view(len(x), -1, *x.shape[2:])
