"""The generator of BigGAN-deep (Brock et al. 2019, appendix B), by the names of pytorch-pretrained-biggan.

A class and random numbers become one condition, from which the first grid of 4 × 4 is made and which scales and moves
every channel of every block. Here each block may have a condition of its own, as Murdock's “The Big Sleep” (2021) wants
it. Norms hold their statistics for many truncations; between two of them we interpolate, the nearer one counting more
(the reference has the two weights exchanged). Spectral norms are folded into the weights before they come here.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.biggan_flags import FIRST_WIDTH, NARROWING, SMALLEST, BigganFlags

Standing: TypeAlias = tuple[Tensor, Tensor]
"""Of each picture: the statistics at or before its truncation, [N], and how far it is to the next ones, [N, 1]."""


class StandingNorm(nn.Module):
    """What both kinds of norm have: means and variances that were measured once, for every truncation."""

    running_means: Tensor
    running_vars: Tensor

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__()
        self._eps = flags.eps
        self.register_buffer("running_means", torch.zeros(flags.n_stats, channels))
        self.register_buffer("running_vars", torch.ones(flags.n_stats, channels))

    def normed(self, x: Tensor, standing: Standing, gain: Tensor, bias: Tensor) -> Tensor:
        """(x - mean) / deviation · gain + bias: [N, C, H, W]; *gain* and *bias* are [N, C] or [C]."""
        first, part = standing
        mean, variance = (
            torch.lerp(known[first], known[first + 1], part) for known in (self.running_means, self.running_vars)
        )
        scale = gain * (variance + self._eps).rsqrt()
        return torch.addcmul((bias - mean * scale)[..., None, None], x, scale[..., None, None])


class ConditionalNorm(StandingNorm):
    """The condition says how much of each channel there is, and where it lies."""

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__(channels, flags)
        self.scale, self.offset = (nn.Linear(2 * flags.z_dim, channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor, standing: Standing) -> Tensor:
        """[N, C, H, W] and [N, 2z] → [N, C, H, W]."""
        return self.normed(x, standing, 1 + self.scale(condition), self.offset(condition))


class PlainNorm(StandingNorm):
    """The last one: the same for all conditions."""

    def __init__(self, channels: int, flags: BigganFlags) -> None:
        super().__init__(channels, flags)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, standing: Standing) -> Tensor:
        """[N, C, H, W] → the same shape."""
        return self.normed(x, standing, self.weight, self.bias)


class GenBlock(nn.Module):
    """Narrow, twice 3 × 3, wide again, each behind norm and ReLU; added to what came in, less half of its channels."""

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

    def forward(self, x: Tensor, condition: Tensor, standing: Standing) -> Tensor:
        """[N, C, H, W] → [N, C', H', W']."""
        h = self.conv_0(F.relu(self.bn_0(x, condition, standing)))
        h = F.relu(self.bn_1(h, condition, standing))
        h = self.conv_1(doubled(h) if self._doubles else h)
        h = self.conv_2(F.relu(self.bn_2(h, condition, standing)))
        h = self.conv_3(F.relu(self.bn_3(h, condition, standing)))
        kept = x[:, : self._kept]
        out: Tensor = h + (doubled(kept) if self._doubles else kept)
        return out


class SelfAttn(nn.Module):
    """Every place asks all patches of 2 × 2 (Zhang et al. 2019); what it hears is added, `gamma` times."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.snconv1x1_theta = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_phi = nn.Conv2d(channels, channels // 8, 1, bias=False)
        self.snconv1x1_g = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.snconv1x1_o_conv = nn.Conv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → the same shape; H and W are even."""
        asked = self.snconv1x1_theta(x), _pooled(self.snconv1x1_phi(x)), _pooled(self.snconv1x1_g(x))
        q, k, v = (part.flatten(2).transpose(1, 2).contiguous() for part in asked)
        heard = F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)
        out: Tensor = x + self.gamma * self.snconv1x1_o_conv(heard.reshape(len(x), -1, *x.shape[2:]))
        return out


class Generator(nn.Module):
    """Conditions → a picture."""

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
        self._last_standing = flags.n_stats - 1

    def forward(self, conditions: Tensor, truncation: Tensor) -> Tensor:
        """[N, L, 2z], one condition for the beginning and one for each block, and [N] → [N, 3, H, W] in [-1, 1]."""
        standing = self._standing(truncation)
        first, *others = conditions.unbind(1)
        h = self.gen_z(first).view(len(first), SMALLEST, SMALLEST, -1).permute(0, 3, 1, 2).contiguous()
        following = iter(others)
        for layer in self.layers:
            h = layer(h, next(following), standing) if isinstance(layer, GenBlock) else layer(h)
        return self._rgb(F.relu(self.bn(h, standing))).tanh()

    def _standing(self, truncation: Tensor) -> Standing:
        place = truncation.clamp(0, 1) * self._last_standing
        first = place.floor().clamp(max=self._last_standing - 1)
        return first.long(), (place - first)[:, None]

    def _rgb(self, x: Tensor) -> Tensor:
        """The first three channels of the last convolution; the reference computes the others too."""
        weight, bias = self.conv_to_rgb.weight, self.conv_to_rgb.bias
        assert bias is not None
        return F.conv2d(x, weight[:3], bias[:3], padding=1)


class Biggan(nn.Module):
    """Random numbers and classes → pictures."""

    def __init__(self, flags: BigganFlags) -> None:
        super().__init__()
        self.flags = flags
        self.embeddings = nn.Linear(flags.num_classes, flags.z_dim, bias=False)
        self.generator = Generator(flags)

    def forward(self, z: Tensor, classes: Tensor, truncation: Tensor) -> Tensor:
        """[N, L, z] (normal), [N, L, classes] (weights from 0 to 1) and [N] (0 to 1) → [N, 3, H, W] in [-1, 1].

        L is `flags.conditions`: one for the beginning, one for each block.
        """
        out: Tensor = self.generator(torch.cat([z, self.embeddings(classes)], dim=-1), truncation)
        return out


def doubled(x: Tensor) -> Tensor:
    """Each place four times: [N, C, H, W] → [N, C, 2H, 2W]."""
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def build_biggan(flags: BigganFlags) -> Biggan:
    """The net that these flags describe."""
    return Biggan(flags)


def _pooled(x: Tensor) -> Tensor:
    """The largest of every 2 × 2, with a gradient that is deterministic on a GPU too."""
    n, channels, height, width = x.shape
    return x.view(n, channels, height // 2, 2, width // 2, 2).amax((3, 5))
