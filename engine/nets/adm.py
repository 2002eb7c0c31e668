"""The ADM U-Net of guided-diffusion (Dhariwal & Nichol 2021). Its state dict has the names of the reference.

Six parts are ours and absent from reference checkpoints:

context_dim   a text embedding, added to the time embedding
reader        an MLP between the text embedding and the time embedding
sketch        a rough layout of the nouns as further input channels (`engine.nets.primer.composer`)
patch         a pixel-unshuffle before the first convolution, for speed
fine          a head at half the patch size that refines small things
copies        a last layer that copies the drawings of the sketch
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.nets.flags import AdmFlags, read_flags
from engine.nets.kernels import PointwiseConv1d, PointwiseConv2d, attend
from engine.nets.primer.conditions import SketchCopy, TextReader, zeroed


class GroupNorm32(nn.GroupNorm):
    """GroupNorm in float32, because half precision overflows. Uses gcd(groups, channels) groups."""

    def __init__(self, channels: int, groups: int = 32) -> None:
        super().__init__(math.gcd(groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, …] → [N, C, …], in the dtype of the input."""
        return super().forward(x.float()).to(x.dtype)


class Downsample(nn.Module):
    """Halves height and width by a strided convolution if *learned*, else by average pooling."""

    def __init__(self, channels: int, learned: bool) -> None:
        super().__init__()
        self.op: nn.Module = nn.Conv2d(channels, channels, 3, stride=2, padding=1) if learned else nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H/2, W/2]."""
        out: Tensor = self.op(x)
        return out


class Upsample(nn.Module):
    """Doubles height and width by nearest-neighbour interpolation, followed by a convolution if *learned*."""

    def __init__(self, channels: int, learned: bool) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(channels, channels, 3, padding=1) if learned else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, 2H, 2W]."""
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


class ResBlock(nn.Module):
    """Residual block: norm, SiLU, convolution, twice, with the time embedding added in between.

    *resample* halves or doubles both branches. *scale_shift*: the embedding scales and shifts the second norm.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        emb_channels: int,
        *,
        scale_shift: bool,
        groups: int = 32,
        dropout: float = 0.0,
        resample: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = nn.Identity() if resample is None else resample
        self.in_layers = nn.Sequential(
            GroupNorm32(channels, groups), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(
            nn.SiLU(), nn.Linear(emb_channels, 2 * out_channels if scale_shift else out_channels)
        )
        self.out_layers = nn.Sequential(
            GroupNorm32(out_channels, groups),
            nn.SiLU(),
            nn.Dropout(dropout),
            zeroed(nn.Conv2d(out_channels, out_channels, 3, padding=1)),
        )
        self.skip_connection: nn.Module = (
            nn.Identity() if channels == out_channels else PointwiseConv2d(channels, out_channels)
        )

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        """x [N, C, H, W], emb [N, E] → [N, C', H', W']."""
        norm, act, conv = self.in_layers
        h = conv(self.resample(act(norm(x))))
        shift = self.emb_layers(emb).to(h.dtype)[:, :, None, None]
        norm, act, dropout, conv = self.out_layers
        if self.scale_shift:
            scale, shift = shift.chunk(2, dim=1)
            h = norm(h) * (1 + scale) + shift
        else:
            h = norm(h + shift)
        out: Tensor = self.skip_connection(self.resample(x)) + conv(dropout(act(h)))
        return out


class AttentionBlock(nn.Module):
    """Residual self-attention over all positions.

    *new_order*: the rows of `qkv` are (q|k|v) × heads; otherwise heads × (q|k|v), as in the first checkpoints.
    """

    def __init__(self, channels: int, heads: int, new_order: bool, groups: int = 32) -> None:
        super().__init__()
        self.heads, self.new_order = heads, new_order
        self.norm = GroupNorm32(channels, groups)
        self.qkv = PointwiseConv1d(channels, 3 * channels)
        self.proj_out = zeroed(PointwiseConv1d(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → [N, C, H, W]."""
        n, c, height, width = x.shape
        flat = x.reshape(n, c, height * width)
        qkv = self.qkv(self.norm(flat))
        if self.new_order:
            q, k, v = qkv.view(n, 3, self.heads, c // self.heads, -1).transpose(-1, -2).unbind(1)
        else:
            q, k, v = qkv.view(n, self.heads, 3, c // self.heads, -1).transpose(-1, -2).unbind(2)
        # With transposed strides, the rounding would depend on the image's position in the batch.
        h = attend(q.contiguous(), k.contiguous(), v.contiguous())
        h = h.transpose(-1, -2).reshape(n, c, -1)
        out: Tensor = flat + self.proj_out(h)
        return out.view(n, c, height, width)


class EmbeddedSequential(nn.Sequential):
    """A sequence whose residual blocks receive the time embedding."""

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:  # type: ignore[override]
        """x [N, C, H, W], emb [N, E] → [N, C', H', W']."""
        for layer in self:
            x = layer(x, emb) if isinstance(layer, ResBlock) else layer(x)
        return x


def timestep_embedding(timesteps: Tensor, dim: int, max_period: float = 10000.0) -> Tensor:
    """Sinusoidal embedding, cosines first (Vaswani et al. 2017): [N] → [N, dim], float32. Accepts fractional steps."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    freqs = torch.exp(-math.log(max_period) * steps / half)
    angles = timesteps[:, None].float() * freqs[None]
    return F.pad(torch.cat([angles.cos(), angles.sin()], dim=-1), (0, dim % 2))


_BLOCKS = 2


class FineHead(nn.Module):
    """Corrects the prediction of the coarse network from x_t, that prediction and the last feature map.

    A network with patches of 4 × 4 pixels must learn every outline at 16 offsets; with patches of 2 × 2, at four. The
    head starts as the identity, so it can be added to a trained network.
    """

    def __init__(self, flags: AdmFlags, emb_channels: int) -> None:
        super().__init__()
        self.patch, width = flags.patch // 2, flags.fine
        seen, answer = 3 * self.patch**2, 3 * self.patch**2 * (2 if flags.learn_sigma else 1)
        features = int(flags.channel_mult[0] * flags.num_channels)
        self.stem = nn.Conv2d(seen + answer, width, 3, padding=1)
        self.lift = nn.Conv2d(features, width, 1)
        if flags.sketch:
            self.sketch_in = zeroed(nn.Conv2d(flags.sketch * self.patch**2, width, 3, padding=1))
        self.blocks = nn.ModuleList(
            ResBlock(width, width, emb_channels, scale_shift=flags.use_scale_shift_norm, groups=flags.norm_groups)
            for _ in range(_BLOCKS)
        )
        self.out = nn.Sequential(
            GroupNorm32(width, flags.norm_groups), nn.SiLU(), zeroed(nn.Conv2d(width, answer, 3, padding=1))
        )

    def forward(self, x: Tensor, coarse: Tensor, features: Tensor, emb: Tensor, sketch: Tensor | None = None) -> Tensor:
        """x [N, 3, H, W], coarse [N, 3 or 6, H, W], features [N, C, H/patch, W/patch], emb [N, E] → as coarse.

        *sketch*: [N, 4, H, W], if the network has one.
        """
        seen = torch.cat([F.pixel_unshuffle(x, self.patch), F.pixel_unshuffle(coarse, self.patch)], dim=1)
        h = self.stem(seen) + F.interpolate(self.lift(features.to(seen.dtype)), scale_factor=2.0, mode="nearest")
        if sketch is not None:
            h = h + self.sketch_in(F.pixel_unshuffle(sketch, self.patch)).to(h.dtype)
        for block in self.blocks:
            h = block(h, emb)
        return coarse + F.pixel_shuffle(self.out(h), self.patch)


NUM_CLASSES = 1000


def build_adm(flags: Mapping[str, object]) -> UNetModel:
    """Build the network of guided-diffusion's option names, in float32. Raises WeightsError for a wrong flag."""
    return UNetModel(read_flags(flags))


class UNetModel(nn.Module):
    """Predicts eps, x_0 or v from x_t and t, followed by learned variances if `learn_sigma` is set."""

    later = ("fine.", "reader.", "sketch_in.", "copy.")
    """Prefixes of parts that may be missing from a checkpoint: they start as the identity."""

    def __init__(self, flags: AdmFlags) -> None:
        super().__init__()
        self.flags = flags
        self.torso_dtype = torch.float32
        self.checkpointing = False
        """Recompute activations in the backward pass instead of storing them, as with the flag `use_checkpoint`."""
        self.model_channels = flags.num_channels
        self.emb_channels = 4 * flags.num_channels
        self.time_embed = nn.Sequential(
            nn.Linear(flags.num_channels, self.emb_channels),
            nn.SiLU(),
            nn.Linear(self.emb_channels, self.emb_channels),
        )
        if flags.class_cond:
            self.label_emb = nn.Embedding(NUM_CLASSES, self.emb_channels)
        if flags.context_dim:
            self.context_embed = nn.Linear(flags.context_dim, self.emb_channels)
            self.context_null = nn.Parameter(torch.zeros(self.emb_channels))
        if flags.reader:
            self.reader = TextReader(flags.context_dim, flags.reader, self.emb_channels)
        self._build_blocks()
        if flags.sketch:
            width = int(flags.channel_mult[0] * flags.num_channels)
            self.sketch_in = zeroed(nn.Conv2d(flags.sketch * flags.patch**2, width, 3, padding=1))
        if flags.fine:
            self.fine = FineHead(flags, self.emb_channels)
        if flags.copies:
            self.copy = SketchCopy(flags.context_dim)

    def _build_blocks(self) -> None:
        """Down, middle and up blocks, in the order of the reference's state dict."""
        flags = self.flags
        width = int(flags.channel_mult[0] * flags.num_channels)
        stem = nn.Conv2d(flags.in_channels, width, 3, padding=1)
        self.input_blocks = nn.ModuleList([EmbeddedSequential(stem)])
        skips, width, downsampling = [width], width, 1
        for level, mult in enumerate(flags.channel_mult):
            for _ in range(flags.num_res_blocks):
                block = self._res_block(width, width := int(mult * flags.num_channels))
                attention = self._attention(width, acts=flags.attends(downsampling))
                self.input_blocks.append(EmbeddedSequential(block, *attention))
                skips.append(width)
            if level < len(flags.channel_mult) - 1:
                self.input_blocks.append(EmbeddedSequential(self._resample(Downsample, width)))
                skips.append(width)
                downsampling *= 2
        self.middle_block = EmbeddedSequential(
            self._res_block(width, width), *self._attention(width), self._res_block(width, width)
        )
        self.output_blocks = nn.ModuleList()
        for level, mult in reversed(list(enumerate(flags.channel_mult))):
            for i in range(flags.num_res_blocks + 1):
                block = self._res_block(width + skips.pop(), width := int(mult * flags.num_channels))
                layers = [block, *self._attention(width, acts=flags.attends(downsampling))]
                if level and i == flags.num_res_blocks:
                    layers.append(self._resample(Upsample, width))
                    downsampling //= 2
                self.output_blocks.append(EmbeddedSequential(*layers))
        self.out = nn.Sequential(
            GroupNorm32(width, flags.norm_groups), nn.SiLU(), zeroed(nn.Conv2d(width, flags.out_channels, 3, padding=1))
        )

    def _res_block(self, channels: int, out_channels: int, resample: nn.Module | None = None) -> ResBlock:
        return ResBlock(
            channels,
            out_channels,
            self.emb_channels,
            scale_shift=self.flags.use_scale_shift_norm,
            groups=self.flags.norm_groups,
            dropout=self.flags.dropout,
            resample=resample,
        )

    def _resample(self, kind: type[Downsample] | type[Upsample], width: int) -> nn.Module:
        if self.flags.resblock_updown:
            return self._res_block(width, width, kind(width, learned=False))
        return kind(width, learned=self.flags.conv_resample)

    def _attention(self, width: int, *, acts: bool = True) -> list[AttentionBlock]:
        flags = self.flags
        heads, new_order = flags.heads(width), flags.use_new_attention_order
        return [AttentionBlock(width, heads, new_order, flags.norm_groups)] if acts else []

    def set_torso_dtype(self, dtype: torch.dtype) -> UNetModel:
        """Convert the convolutions between stem and head to *dtype*; norms, embeddings and head stay in float32."""
        self.torso_dtype = dtype
        for blocks in (self.input_blocks, self.middle_block, self.output_blocks):
            for module in blocks.modules():
                if isinstance(module, nn.Conv1d | nn.Conv2d):
                    module.to(dtype)
        return self

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        y: Tensor | None = None,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
        sketch: Tensor | None = None,
    ) -> Tensor:
        """Return one prediction per sample.

        Args:
            x: [N, 3, H, W] in [-1, 1] plus noise; sides are multiples of patch x 2^(levels - 1).
            timesteps: [N], in the 1000 steps of training; may be fractional.
            y: [N] class indices, required with `class_cond`.
            context: [N, context_dim] unit vectors, for `context_dim`; None drops the text for all samples.
            context_mask: [N], true where context and sketch apply, false where both are dropped.
            sketch: [N, 4, H, W] from a composer, for `sketch`; None is an empty sketch for all samples.

        Returns:
            [N, 3, H, W], or [N, 6, H, W] with learned variances.
        """
        emb = self._embed(timesteps, y, context, context_mask)
        h = F.pixel_unshuffle(x, self.flags.patch).to(self.torso_dtype)
        skips: list[Tensor] = []
        if sketch is not None and context_mask is not None:
            sketch = sketch * context_mask.to(sketch)[:, None, None, None]
        for i, block in enumerate(self.input_blocks):
            h = self._run(block, h, emb)
            if i == 0 and sketch is not None:
                h = h + self.sketch_in(F.pixel_unshuffle(sketch, self.flags.patch)).to(h.dtype)
            skips.append(h)
        h = self._run(self.middle_block, h, emb)
        for block in self.output_blocks:
            h = self._run(block, torch.cat([h, skips.pop()], dim=1), emb)
        coarse = F.pixel_shuffle(self.out(h.to(x.dtype)), self.flags.patch)
        refined = self.fine(x, coarse, h, emb, sketch) if self.flags.fine else coarse
        if self.flags.copies and sketch is not None and context is not None:
            refined = self.copy(refined, sketch, context)
        return refined

    def _embed(
        self, timesteps: Tensor, y: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        emb: Tensor = self.time_embed(timestep_embedding(timesteps, self.model_channels))
        if self.flags.class_cond:
            if y is None:
                raise ValueError("this net is class-conditional: y is missing")
            emb = emb + self.label_emb(y)
        if not self.flags.context_dim:
            return emb
        if context is None:
            return emb + self.context_null
        # The entries of a unit vector are about 1/√D; the default initialisation of Linear expects about 1.
        even = context * self.flags.context_dim**0.5
        steer: Tensor = self.context_embed(even)
        if self.flags.reader:
            steer = steer + self.reader(even)
        if context_mask is not None:
            steer = torch.where(context_mask.bool()[:, None], steer, self.context_null)
        return emb + steer

    def _run(self, block: nn.Module, h: Tensor, emb: Tensor) -> Tensor:
        again = (self.flags.use_checkpoint or self.checkpointing) and torch.is_grad_enabled()
        # The reentrant form of `checkpoint` fails for frozen weights.
        out: Tensor = checkpoint(block, h, emb, use_reentrant=False) if again else block(h, emb)
        return out
