"""The VQGAN of taming-transformers (Esser et al. 2021): image → grid of codes → image.

The encoder halves the sides at each level, each vector of its grid is replaced by the nearest one of a codebook, and
the decoder reconstructs the image. Modules have the reference's names and shapes; flags are those of its `ddconfig`
and `patch` and `norm_groups` for small networks.

The discriminator and the perceptual network of the checkpoints are only needed for training and are omitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.flags import VqganFlags, read_vqgan_flags


def build_vqgan(flags: Mapping[str, object]) -> Vqgan:
    """The untrained network of these flags, in float32. Raises WeightsError for a wrong flag."""
    return Vqgan(read_vqgan_flags(flags))


class ResnetBlock(nn.Module):
    """Residual block: norm, SiLU, 3 × 3 convolution, twice; a 1 × 1 shortcut if the width changes."""

    def __init__(self, channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = _norm(channels, groups)
        self.conv1 = nn.Conv2d(channels, out_channels, 3, padding=1)
        self.norm2 = _norm(out_channels, groups)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        if channels != out_channels:
            self.nin_shortcut = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C', H, W]."""
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        out: Tensor = h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)
        return out


class AttnBlock(nn.Module):
    """Residual self-attention with one head over all positions."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = _norm(channels, groups)
        self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → the same shape."""
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        out: Tensor = x + self.proj_out(mixed)
        return out


class VqganDownsample(nn.Module):
    """Strided 3 × 3 convolution, padded by one pixel at the right and the lower edge."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H / 2, W / 2]."""
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out


class VqganUpsample(nn.Module):
    """Nearest-neighbour upsampling, then a 3 × 3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, 2H, 2W]."""
        out: Tensor = self.conv(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
        return out


class Level(nn.Module):
    """Blocks of one resolution, with optional attention, and the resampling to the next."""

    def __init__(self, widths: list[int], attends: bool, groups: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.block = nn.ModuleList(ResnetBlock(before, after, groups) for before, after in pairs)
        self.attn = nn.ModuleList(AttnBlock(after, groups) for _, after in pairs if attends)

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for way in ("downsample", "upsample"):
            if hasattr(self, way):
                x = getattr(self, way)(x)
        return x


class Middle(nn.Module):
    """Block, attention, block at the lowest resolution."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(channels, channels, groups)
        self.attn_1 = AttnBlock(channels, groups)
        self.block_2 = ResnetBlock(channels, channels, groups)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] → the same shape."""
        out: Tensor = self.block_2(self.attn_1(self.block_1(x)))
        return out


class VqganEncoder(nn.Module):
    """[N, 3, H, W] in [-1, 1] → [N, z_channels, H / f, W / f]."""

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self._patch, groups, widths = flags.patch, flags.norm_groups, flags.widths
        self.conv_in = nn.Conv2d(flags.in_channels * flags.patch**2, flags.ch, 3, padding=1)
        self.down = nn.ModuleList()
        for number, width in enumerate(widths):
            first = widths[number - 1] if number else flags.ch
            level = Level([first] + [width] * flags.num_res_blocks, flags.attends(number), groups)
            if number < len(widths) - 1:
                level.downsample = VqganDownsample(width)
            self.down.append(level)
        self.mid = Middle(widths[-1], groups)
        self.norm_out = _norm(widths[-1], groups)
        self.conv_out = nn.Conv2d(widths[-1], flags.z_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_in(F.pixel_unshuffle(x, self._patch))
        for level in self.down:
            h = level(h)
        out: Tensor = self.conv_out(F.silu(self.norm_out(self.mid(h))))
        return out


class VqganDecoder(nn.Module):
    """[N, z_channels, h, w] → [N, 3, f·h, f·w], mostly in [-1, 1]."""

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self._patch, groups, widths = flags.patch, flags.norm_groups, flags.widths
        self.conv_in = nn.Conv2d(flags.z_channels, widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], groups)
        self.up = nn.ModuleList()
        for number, width in enumerate(widths):
            first = widths[min(number + 1, len(widths) - 1)]
            level = Level([first] + [width] * (flags.num_res_blocks + 1), flags.attends(number), groups)
            if number:
                level.upsample = VqganUpsample(width)
            self.up.append(level)
        self.norm_out = _norm(widths[0], groups)
        self.conv_out = nn.Conv2d(widths[0], flags.out_ch * flags.patch**2, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.mid(self.conv_in(z))
        for number in reversed(range(len(self.up))):
            h = self.up[number](h)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(h))), self._patch)


class Codebook(nn.Module):
    """`VectorQuantizer`: the nearest of n_embed vectors."""

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self.embedding = nn.Embedding(flags.n_embed, flags.embed_dim)
        nn.init.uniform_(self.embedding.weight, -1 / flags.n_embed, 1 / flags.n_embed)

    @property
    def vectors(self) -> Tensor:
        """[n_embed, embed_dim]."""
        return self.embedding.weight

    def indices(self, z: Tensor) -> Tensor:
        """Encoder output [N, embed_dim, h, w] → codes [N, h, w]."""
        return nearest(z, self.vectors)


class GumbelCodebook(nn.Module):
    """`GumbelQuantize`: the vector with the highest score of a linear projection.

    The reference samples by these scores, but only in training.
    """

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self.proj = nn.Conv2d(flags.z_channels, flags.n_embed, 1)
        self.embed = nn.Embedding(flags.n_embed, flags.embed_dim)

    @property
    def vectors(self) -> Tensor:
        """[n_embed, embed_dim]."""
        return self.embed.weight

    def indices(self, z: Tensor) -> Tensor:
        """Encoder output [N, z_channels, h, w] → codes [N, h, w]."""
        scores: Tensor = self.proj(z)
        return scores.argmax(1)


class Vqgan(nn.Module):
    """Encoder, codebook and decoder. Images are [N, 3, H, W] in [-1, 1]; sides are multiples of `flags.factor`."""

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self.flags = flags
        self.encoder, self.decoder = VqganEncoder(flags), VqganDecoder(flags)
        self.quantize = GumbelCodebook(flags) if flags.gumbel else Codebook(flags)
        self.quant_conv = nn.Conv2d(flags.z_channels, flags.embed_dim, 1)
        self.post_quant_conv = nn.Conv2d(flags.embed_dim, flags.z_channels, 1)

    @property
    def codebook(self) -> Tensor:
        """[n_embed, embed_dim]."""
        return self.quantize.vectors

    def encode(self, pictures: Tensor) -> Tensor:
        """Images → vectors before quantisation, [N, embed_dim, h, w]."""
        out: Tensor = self.quant_conv(self.encoder(pictures))
        return out

    def indices(self, z: Tensor) -> Tensor:
        """Result of `encode` → codes [N, h, w]."""
        found: Tensor = self.quantize.indices(z)
        return found

    def lookup(self, indices: Tensor) -> Tensor:
        """Codes [N, h, w] → vectors [N, embed_dim, h, w]."""
        return F.embedding(indices, self.codebook).permute(0, 3, 1, 2)

    def decode(self, z_q: Tensor) -> Tensor:
        """Vectors [N, embed_dim, h, w], quantised or not → images."""
        out: Tensor = self.decoder(self.post_quant_conv(z_q))
        return out


def nearest(z: Tensor, codebook: Tensor) -> Tensor:
    """Index of the nearest row of *codebook* [K, D] to each vector of *z* [N, D, h, w]: [N, h, w]."""
    places = z.permute(0, 2, 3, 1)
    distances = places.square().sum(-1, keepdim=True) + codebook.square().sum(1) - 2 * places @ codebook.T
    return distances.argmin(-1)


def straight_through(z: Tensor, z_q: Tensor) -> Tensor:
    """*z_q* with the straight-through gradient to *z* (van den Oord et al. 2017)."""
    return z_q.detach() + (z - z.detach())


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)
