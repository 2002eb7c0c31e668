"""The generator of BigGAN-deep (Brock et al. 2019, appendix B), named as in pytorch-pretrained-biggan.

The condition is the noise z and the class embedding, concatenated. The first layer turns it into a 4 × 4 grid, and it
scales and shifts the channels in every block. Each block takes its own condition, as in Murdock's “The Big Sleep”
(2021). The norms hold statistics for several truncations and interpolate linearly between them (the reference swaps the
two weights). Spectral norms must be folded into the weights before loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.flags import FIRST_WIDTH, NARROWING, SMALLEST, BigganFlags, read_biggan_flags
from engine.nets.resampling import doubled, pooled

TruncationIndex: TypeAlias = tuple[Tensor, Tensor]
"""For each image: the index of the statistics at or below its truncation, [N], and the fraction to the next, [N, 1]."""


def build_biggan(flags: Mapping[str, object]) -> Biggan:
    """The untrained network of these flags, in float32. Raises WeightsError for a wrong flag."""
    return Biggan(read_biggan_flags(flags))


class TruncationNorm(nn.Module):
    """Batch norm with fixed means and variances for each of `n_stats` truncations."""

    running_means: Tensor
    running_vars: Tensor

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__()
        self._eps = flags.eps
        self.register_buffer("running_means", torch.zeros(flags.n_stats, channels))
        self.register_buffer("running_vars", torch.ones(flags.n_stats, channels))

    def normalise(self, x: Tensor, index: TruncationIndex, gain: Tensor, bias: Tensor) -> Tensor:
        """(x - mean) / √(variance + eps) · gain + bias, [N, C, H, W]. *gain* and *bias*: [N, C] or [C]."""
        first, part = index
        mean, variance = (
            torch.lerp(known[first], known[first + 1], part) for known in (self.running_means, self.running_vars)
        )
        scale = gain * (variance + self._eps).rsqrt()
        return torch.addcmul((bias - mean * scale)[..., None, None], x, scale[..., None, None])


class ConditionalNorm(TruncationNorm):
    """Batch norm whose gain and bias are linear functions of the condition."""

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__(channels, flags)
        self.scale, self.offset = (nn.Linear(2 * flags.z_dim, channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor, index: TruncationIndex) -> Tensor:
        """[N, C, H, W] and [N, 2z] → [N, C, H, W]."""
        return self.normalise(x, index, 1 + self.scale(condition), self.offset(condition))


class PlainNorm(TruncationNorm):
    """Batch norm with learned gain and bias, before the last convolution."""

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__(channels, flags)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, index: TruncationIndex) -> Tensor:
        """[N, C, H, W] → the same shape."""
        return self.normalise(x, index, self.weight, self.bias)


class GenBlock(nn.Module):
    """Residual bottleneck block: 1×1, 3×3, 3×3 and 1×1 convolutions, each after a norm and a ReLU.

    The shortcut drops the last channels if the block narrows. *doubles*: height and width are doubled.
    """

    def __init__(self, doubles: bool, channels: int, out_channels: int, flags: BigganFlags) -> None:
        super().__init__()
        self._doubles, self._kept = doubles, out_channels
        narrow = channels // NARROWING
        self.bn_0 = ConditionalNorm(channels, flags)
        self.conv_0 = nn.Conv2d(channels, narrow, 1)
        self.bn_1 = ConditionalNorm(narrow, flags)
        self.conv_1 = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.bn_2 = ConditionalNorm(narrow, flags)
        self.conv_2 = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.bn_3 = ConditionalNorm(narrow, flags)
        self.conv_3 = nn.Conv2d(narrow, out_channels, 1)

    def forward(self, x: Tensor, condition: Tensor, index: TruncationIndex) -> Tensor:
        """[N, C, H, W] → [N, C', H', W']."""
        h = self.conv_0(F.relu(self.bn_0(x, condition, index)))
        h = F.relu(self.bn_1(h, condition, index))
        h = self.conv_1(doubled(h) if self._doubles else h)
        h = self.conv_2(F.relu(self.bn_2(h, condition, index)))
        h = self.conv_3(F.relu(self.bn_3(h, condition, index)))
        kept = x[:, : self._kept]
        out: Tensor = h + (doubled(kept) if self._doubles else kept)
        return out


class SelfAttn(nn.Module):
    """Self-attention with 2×2 max-pooled keys and values (Zhang et al. 2019), added with the weight `gamma`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.snconv1x1_theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.snconv1x1_o_conv = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → the same shape; H and W are even."""
        projected = self.snconv1x1_theta(x), pooled(self.snconv1x1_phi(x)), pooled(self.snconv1x1_g(x))
        q, k, v = (part.flatten(2).transpose(1, 2).contiguous() for part in projected)
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)
        out: Tensor = x + self.gamma * self.snconv1x1_o_conv(attended.reshape(len(x), -1, *x.shape[2:]))
        return out


class Generator(nn.Module):
    """Conditions → images."""

    def __init__(self, flags: BigganFlags) -> None:
        super().__init__()
        width = flags.channel_width
        self.gen_z = nn.Linear(2 * flags.z_dim, SMALLEST**2 * FIRST_WIDTH * width)
        self.layers = nn.ModuleList(
            GenBlock(doubles, width * taken, width * given, flags) for doubles, taken, given in flags.layers
        )
        self.layers.insert(flags.attention_layer_position, SelfAttn(flags.attention_width))
        self.bn = PlainNorm(width, flags)
        self.conv_to_rgb = nn.Conv2d(width, width, 3, padding=1)
        self._last_index = flags.n_stats - 1

    def forward(self, conditions: Tensor, truncation: Tensor) -> Tensor:
        """Conditions [N, L, 2·z_dim] and truncations [N] → images [N, 3, H, W] in [-1, 1].

        L = 1 + number of blocks: the first condition makes the 4 × 4 grid.
        """
        index = self._index(truncation)
        first, *others = conditions.unbind(1)
        h = self.gen_z(first).view(len(first), SMALLEST, SMALLEST, -1).permute(0, 3, 1, 2).contiguous()
        following = iter(others)
        for layer in self.layers:
            h = layer(h, next(following), index) if isinstance(layer, GenBlock) else layer(h)
        return self._rgb(F.relu(self.bn(h, index))).tanh()

    def _index(self, truncation: Tensor) -> TruncationIndex:
        place = truncation.clamp(0, 1) * self._last_index
        first = place.floor().clamp(max=self._last_index - 1)
        return first.long(), (place - first)[:, None]

    def _rgb(self, x: Tensor) -> Tensor:
        """The first three channels of the last convolution; the reference computes all and drops the rest."""
        weight, bias = self.conv_to_rgb.weight, self.conv_to_rgb.bias
        assert bias is not None
        return F.conv2d(x, weight[:3], bias[:3], padding=1)


class Biggan(nn.Module):
    """BigGAN-deep: noise and classes → images."""

    def __init__(self, flags: BigganFlags) -> None:
        super().__init__()
        self.flags = flags
        self.embeddings = nn.Linear(flags.num_classes, flags.z_dim, bias=False)
        self.generator = Generator(flags)

    def forward(self, z: Tensor, classes: Tensor, truncation: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1]. L is `flags.conditions`.

        Args:
            z: [N, L, z_dim], normally distributed, usually truncated.
            classes: [N, L, num_classes], weights in [0, 1].
            truncation: [N], in [0, 1]; selects the statistics of the norms.
        """
        out: Tensor = self.generator(torch.cat([z, self.embeddings(classes)], dim=-1), truncation)
        return out
