"""Kernels that torch does not choose itself: attention on the meta device, frozen convolutions in channels_last, and
frozen matrix products through oneDNN.

torch multiplies with MKL, which uses half of the vector width on processors not made by Intel; oneDNN uses all of it,
and is 2.2 times as fast on AMD processors with AVX-512. With AVX2 alone MKL is faster. The choice depends only on the
processor and the shapes, so equal batches round equally. Weights that are trained, and half precision, always use
torch's own product.
"""

from __future__ import annotations

from typing import Any, TypeVar

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
        frozen = x.device.type == "cpu" and not self.weight.requires_grad
        if frozen and x.is_contiguous(memory_format=torch.channels_last):
            return linear(x.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)
        if not is_faster(x, self.weight, x.shape[2] * x.shape[3]):
            return super().forward(x)
        return pointwise(x.flatten(2), self.weight[:, :, 0, 0], self.bias).view(len(x), -1, *x.shape[2:])


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q·kᵀ/√d + mask)·v of [N, heads, T, d] each.

    On the meta device the default kernel would count a T × T matrix, which real devices never store. So the dry run of
    `engine.memory_planning` calls the CPU's flash kernel.
    """
    if q.device.type == "meta":
        out: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=mask)[0]
        return out
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


M = TypeVar("M", bound=nn.Module)


class OneDNNLinear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        return linear(x, self.weight, self.bias)


class OneDNNAttention(nn.MultiheadAttention):
    """Self-attention; any other use falls back to `nn.MultiheadAttention`."""

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Query, key and value [N, T, C] → ([N, T, C], None)."""
        mask = kwargs.get("attn_mask")
        itself = query is key is value and self._qkv_same_embed_dim and self.batch_first and query.ndim == 3
        plain = not args and kwargs.keys() <= {"need_weights", "attn_mask"} and not kwargs.get("need_weights", True)
        usual = self.bias_k is None and not self.add_zero_attn and not (self.training and self.dropout)
        if not (itself and plain and usual) or (mask is not None and (mask.dtype is torch.bool or mask.ndim > 2)):
            return super().forward(query, key, value, *args, **kwargs)
        n, length, width = query.shape
        qkv = linear(query, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(n, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, mask).transpose(1, 2).reshape(n, length, width)
        return linear(h, self.out_proj.weight, self.out_proj.bias), None


class OneDNNPatchConv(nn.Conv2d):
    """A convolution with stride = kernel size, as in the patch embedding of a vision transformer."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, O, H/p, W/p]."""
        (down, across), (n, _, height, width) = self.kernel_size, x.shape
        weight = self.weight.flatten(1)
        whole = not height % down and not width % across
        if not whole or not is_faster(x, weight, n * (height // down) * (width // across)):
            return super().forward(x)
        patches = x.reshape(n, -1, height // down, down, width // across, across).permute(0, 2, 4, 1, 3, 5).flatten(3)
        return linear(patches, weight, self.bias).permute(0, 3, 1, 2)


def freeze(net: M, device: torch.device, dtype: torch.dtype | None = None) -> M:
    """Prepare *net* for inference in place: evaluation mode, no gradients for weights, on *device*; returns *net*.

    On a CPU, weights of convolutions become channels_last, and so do their outputs: oneDNN then reads and writes
    feature maps without reordering them (a U-Net of LSUN's size: 1.07 ×, v-diffusion: 1.2 ×).
    """
    net = net.eval().requires_grad_(False).to(device, dtype)
    return net.to(memory_format=torch.channels_last) if device.type == "cpu" else net  # type: ignore[call-overload]


def use_onednn(net: M) -> M:
    """Change the classes of the layers of *net* in place; returns *net*."""
    for module in net.modules():
        if type(module) is nn.Linear:
            module.__class__ = OneDNNLinear
        elif type(module) is nn.MultiheadAttention:
            module.__class__ = OneDNNAttention
        elif type(module) is nn.Conv2d and _is_patches(module):
            module.__class__ = OneDNNPatchConv
    return net


def _is_patches(conv: nn.Conv2d) -> bool:
    alone = conv.groups == 1 and conv.padding in ((0, 0), 0) and conv.dilation == (1, 1)
    return alone and conv.kernel_size == conv.stride and conv.kernel_size != (1, 1)
