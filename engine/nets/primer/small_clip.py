"""The primer's CLIPs: a word-level text tower and a convolutional image tower into one space of unit vectors.

One class makes both the guide (group norm, GELU, a flat head that keeps positions) and the grader (batch norm, ReLU,
attention, averaging): they share the contract, not the design. `build_small_clip(flags)` makes the net that a weights
file's flags describe. Contrastive learning: Radford et al. 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import WeightsError
from engine.nets.kernels import attend

END = 2
"""The token at which the text tower's embedding is read; everything behind it is padding."""


@dataclass(frozen=True, slots=True)
class SmallClipFlags:
    """One net. `widths`: channels at 1/4, 1/8 and 1/16 of the picture's side; `blocks`: residual blocks at each."""

    size: int = 64
    dim: int = 192
    vocabulary: int = 1024
    context: int = 24
    text_width: int = 128
    text_layers: int = 3
    widths: tuple[int, ...] = (48, 96, 160)
    blocks: tuple[int, ...] = (1, 2, 2)
    norm: str = "group"
    image_layers: int = 0
    """Transformer layers on the last feature map; then the head averages instead of keeping positions."""


def build_small_clip(flags: Mapping[str, object]) -> SmallClip:
    """Return the untrained net of a weights file. Raises WeightsError for an unknown flag."""
    known = {field.name for field in fields(SmallClipFlags)}
    unknown = sorted(set(flags) - known)
    if unknown:
        raise WeightsError(f"A small CLIP has no flag “{unknown[0]}”; it has {', '.join(sorted(known))}.")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in flags.items()}
    return SmallClip(SmallClipFlags(**values))  # type: ignore[arg-type]


class SmallClip(nn.Module):
    """Texts and pictures → unit vectors whose dot product says how well they fit."""

    def __init__(self, flags: SmallClipFlags) -> None:
        super().__init__()
        self.flags = flags
        self.text = TextTower(flags)
        self.image = ImageTower(flags)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """[N, context] ids → [N, dim], L2-normalised."""
        return F.normalize(self.text(tokens), dim=-1)

    def encode_image(self, images: Tensor) -> Tensor:
        """[N, 3, size, size] in [0, 1] → [N, dim], L2-normalised, differentiable."""
        return F.normalize(self.image(images), dim=-1)

    def as_mapping(self) -> dict[str, object]:
        return asdict(self.flags)


class TextTower(nn.Module):
    """Word embeddings, a pre-norm transformer over real tokens, read at the end token."""

    def __init__(self, flags: SmallClipFlags) -> None:
        super().__init__()
        width = flags.text_width
        self.words = nn.Embedding(flags.vocabulary, width)
        self.places = nn.Parameter(0.02 * torch.randn(flags.context, width))
        self.layers = nn.ModuleList(TransformerLayer(width) for _ in range(flags.text_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, flags.dim, bias=False)
        nn.init.normal_(self.words.weight, std=0.05)

    def forward(self, tokens: Tensor) -> Tensor:
        """[N, T] ids → [N, dim], not normalised."""
        tokens = tokens.long()
        end = (tokens == END).int().argmax(dim=1)
        tokens = tokens[:, : int(end.max()) + 1]  # what all rows have as padding costs nothing
        seen = torch.arange(tokens.shape[1], device=tokens.device)[None] <= end[:, None]
        h = self.words(tokens) + self.places[: tokens.shape[1]]
        for layer in self.layers:
            h = layer(h, seen[:, None, None])
        rows = torch.arange(len(tokens), device=tokens.device)
        out: Tensor = self.head(self.norm(h[rows, end]))
        return out


class TransformerLayer(nn.Module):
    """Attention, then a network per token, each behind a norm and added."""

    def __init__(self, width: int, head_width: int = 32) -> None:
        super().__init__()
        self.heads = max(1, width // head_width)
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """[N, T, C] → the same; *seen* [N, 1, 1, T] is true for tokens that may be looked at."""
        n, length, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = attend(q, k, v, seen)
        x = x + self.out(h.transpose(1, 2).reshape(n, length, width))
        out: Tensor = x + self.mlp(self.norm_2(x))
        return out


class ImageTower(nn.Module):
    """Patches of 4, residual convolutions at halving sizes, then a head."""

    def __init__(self, flags: SmallClipFlags) -> None:
        super().__init__()
        stages: list[nn.Module] = [nn.Conv2d(3, flags.widths[0], 6, stride=4, padding=1)]
        for level, (width, count) in enumerate(zip(flags.widths, flags.blocks, strict=True)):
            if level:
                stages.append(nn.Conv2d(flags.widths[level - 1], width, 2, stride=2))
            stages += [ResidualBlock(width, flags.norm) for _ in range(count)]
        stages += [_norm(flags.norm, flags.widths[-1]), _activation(flags.norm)]
        self.stages = nn.Sequential(*stages)
        width, side = flags.widths[-1], flags.size // 2 ** (len(flags.widths) + 1)
        self.layers = nn.ModuleList(TransformerLayer(width) for _ in range(flags.image_layers))
        if flags.image_layers:
            self.places = nn.Parameter(0.02 * torch.randn(side * side, width))
            self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width if flags.image_layers else width * side * side, flags.dim, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] in [0, 1] → [N, dim], not normalised."""
        return self._embedded(self.stages(images * 2 - 1))

    def features(self, images: Tensor) -> list[Tensor]:
        """[N, 3, H, W] in [0, 1] → the map behind every size's blocks, and last the embedding, not normalised."""
        h, maps = images * 2 - 1, []
        for stage, following in pairwise(self.stages):
            h = stage(h)
            if isinstance(stage, ResidualBlock) and not isinstance(following, ResidualBlock):
                maps.append(h)
        return [*maps, self._embedded(self.stages[-1](h))]

    def _embedded(self, h: Tensor) -> Tensor:
        if self.layers:
            h = h.flatten(2).transpose(1, 2) + self.places
            for layer in self.layers:
                h = layer(h)
            h = self.norm(h).mean(dim=1)
        out: Tensor = self.head(h.flatten(1))
        return out


class ResidualBlock(nn.Module):
    """Norm, activation, 3 x 3, twice, added to what came in."""

    def __init__(self, width: int, norm: str) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(norm, width), _activation(norm), nn.Conv2d(width, width, 3, padding=1, bias=False),
            _norm(norm, width), _activation(norm), nn.Conv2d(width, width, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] → the same."""
        out: Tensor = x + self.body(x)
        return out


def _norm(kind: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if kind == "batch" else nn.GroupNorm(width // 16, width)


def _activation(kind: str) -> nn.Module:
    return nn.ReLU() if kind == "batch" else nn.GELU()
