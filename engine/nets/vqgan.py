"""The VQGAN of taming-transformers (Esser et al. 2021), by its names: picture → grid of codes → picture.

An encoder halves the picture's sides level by level, each place of its grid takes the nearest vector of a codebook, and
a decoder makes the picture again. Parts have the reference's names and shapes, so that its checkpoints fit; the flags
are those of its `ddconfig`. Two flags are ours, for small nets: `patch` and `norm_groups`.

The discriminator and the perceptual net that its checkpoints bring along belong to training, and are not here.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.vqgan_flags import VqganFlags


class ResnetBlock(nn.Module):
    """Norm, SiLU, 3 × 3, twice, added to what came in (through 1 × 1 where the width changes)."""

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
    """One head over all places, added to what came in."""

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
    """Half the sides, by a 3 × 3 convolution that sees a pixel beyond the right and the lower edge."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H / 2, W / 2]."""
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out


class VqganUpsample(nn.Module):
    """Twice the sides: each place four times, then 3 × 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, 2H, 2W]."""
        out: Tensor = self.conv(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
        return out


class Level(nn.Module):
    """The blocks of one size, each with attention behind it or none, and the way to the next size."""

    def __init__(self, widths: list[int], attends: bool, groups: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths))
        self.block = nn.ModuleList(ResnetBlock(before, after, groups) for before, after in pairs)
        self.attn = nn.ModuleList(AttnBlock(after, groups) for _, after in pairs if attends)

    def forward(self, x: Tensor) -> Tensor:
        """All blocks, then down or up."""
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        for way in ("downsample", "upsample"):
            if hasattr(self, way):
                x = getattr(self, way)(x)
        return x


class Middle(nn.Module):
    """Block, attention, block, where the grid is smallest."""

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
        """See the class."""
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
        """See the class."""
        h = self.mid(self.conv_in(z))
        for number in reversed(range(len(self.up))):
            h = self.up[number](h)
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(h))), self._patch)


class Codebook(nn.Module):
    """`VectorQuantizer`'s part: n_embed vectors; what is quantised takes the nearest."""

    def __init__(self, flags: VqganFlags) -> None:
        super().__init__()
        self.embedding = nn.Embedding(flags.n_embed, flags.embed_dim)
        nn.init.uniform_(self.embedding.weight, -1 / flags.n_embed, 1 / flags.n_embed)

    @property
    def vectors(self) -> Tensor:
        """[n_embed, embed_dim]."""
        return self.embedding.weight

    def indices(self, z: Tensor) -> Tensor:
        """What the encoder says, [N, embed_dim, h, w] → the codes, [N, h, w]."""
        return nearest(z, self.vectors)


class GumbelCodebook(nn.Module):
    """`GumbelQuantize`'s part: the encoder's answer becomes a score for each vector, and the best is taken.

    In training the reference draws by those scores; what is drawn is never needed here.
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
        """What the encoder says, [N, z_channels, h, w] → the codes, [N, h, w]."""
        scores: Tensor = self.proj(z)
        return scores.argmax(1)


class Vqgan(nn.Module):
    """Encoder, codebook and decoder. Pictures are [N, 3, H, W] in [-1, 1], their sides multiples of `flags.factor`."""

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
        """Pictures → what is to be quantised: [N, embed_dim, h, w]."""
        out: Tensor = self.quant_conv(self.encoder(pictures))
        return out

    def indices(self, z: Tensor) -> Tensor:
        """What `encode` answered → the number of the vector at each place: [N, h, w]."""
        found: Tensor = self.quantize.indices(z)
        return found

    def lookup(self, indices: Tensor) -> Tensor:
        """Numbers [N, h, w] → vectors [N, embed_dim, h, w]."""
        return F.embedding(indices, self.codebook).permute(0, 3, 1, 2)

    def decode(self, z_q: Tensor) -> Tensor:
        """Vectors of the codebook, or anything near them, [N, embed_dim, h, w] → pictures."""
        out: Tensor = self.decoder(self.post_quant_conv(z_q))
        return out


def nearest(z: Tensor, codebook: Tensor) -> Tensor:
    """The number of the vector [K, D] that lies nearest to each place of *z* [N, D, h, w]: [N, h, w]."""
    places = z.permute(0, 2, 3, 1)
    distances = places.square().sum(-1, keepdim=True) + codebook.square().sum(1) - 2 * places @ codebook.T
    return distances.argmin(-1)


def straight_through(z: Tensor, z_q: Tensor) -> Tensor:
    """*z_q*, whose gradient goes to *z* as if nothing had happened between them (van den Oord et al. 2017)."""
    return z_q.detach() + (z - z.detach())


def build_vqgan(flags: VqganFlags) -> Vqgan:
    """The net that these flags describe."""
    return Vqgan(flags)


def _norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=1e-6)
