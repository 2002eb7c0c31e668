"""A perceptor embeds texts and images into one space, in which similar things are near: any CLIP."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_MORE = "red circle"
"""Words in the vocabulary of every CLIP. If appending them leaves a text's tokens unchanged, the context is full."""


class Towers(Protocol):
    """The two networks of a CLIP. Images come in normalised; embeddings go out with any norm."""

    def encode_image(self, images: Tensor, /) -> Tensor:
        """[N, 3, size, size] → [N, D]."""
        ...

    def encode_text(self, tokens: Tensor, /) -> Tensor:
        """[N, T] token ids → [N, D]."""
        ...


class Perceptor:
    """One CLIP, frozen. *id* names it beside every embedding that is kept; *sha256* is its weights', if it is known.

    *scale* is what its training multiplied cosines by before the softmax. *maps*: normalised pictures → the feature
    maps of its image tower, if it shows any.
    """

    def __init__(
        self,
        name: str,
        towers: Towers,
        tokens: Callable[[Sequence[str]], Tensor],
        *,
        size: int,
        dim: int,
        mean: Sequence[float] = (0, 0, 0),
        std: Sequence[float] = (1, 1, 1),
        device: torch.device | None = None,
        sha256: str = "",
        scale: float = 100.0,
        maps: Features | None = None,
    ) -> None:
        self.id = name
        self.size = size
        self.dim = dim
        self.sha256 = sha256
        self.scale = scale
        self.towers = towers  # public, because the memory count searches the attributes for modules
        self._tokens = tokens
        self._maps = maps
        self.device = device or torch.device("cpu")
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=self.device).view(1, 3, 1, 1)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """N texts → [N, dim], L2-normalised. One at a time, so that a text's vector does not depend on the others."""
        rows = [self.towers.encode_text(self._tokens([text]).to(self.device)) for text in texts]
        return F.normalize(torch.cat(rows).float(), dim=-1)

    def unread(self, text: str) -> str:
        """The words at the end of *text* that lie beyond the tokens which this CLIP reads; empty if it reads all."""
        read, words = self._tokens([text]), text.split()
        if not torch.equal(read, self._tokens([f"{text} {_MORE}"])):
            return ""

        def suffices(count: int) -> bool:
            return torch.equal(read, self._tokens([" ".join(words[:count])]))

        return " ".join(words[bisect_left(range(len(words)), True, key=suffices) :])

    def encode_image(self, images: Tensor) -> Tensor:
        """[N, 3, size, size] in [0, 1] → [N, dim], L2-normalised, differentiable."""
        return F.normalize(self.towers.encode_image((images - self._mean) / self._std).float(), dim=-1)

    @property
    def image_tower(self) -> nn.Module | None:
        """The image tower; None if it is no `nn.Module`."""
        found = (getattr(self.towers, name, None) for name in ("visual", "image"))
        return next((net for net in found if isinstance(net, nn.Module)), None)

    @property
    def shows_features(self) -> bool:
        return self._maps is not None

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """[N, 3, size, size] in [0, 1] → maps [N, C, h, w], early to late, differentiable; see `shows_features`."""
        assert self._maps is not None
        return self._maps((images - self._mean) / self._std)


Features = Callable[[Tensor], Sequence[Tensor]]
"""Pictures [N, 3, H, W] in [0, 1] → maps [N, C, h, w] of several sizes, and embeddings [N, D]."""


def perceptual_distance(features: Features, guess: Tensor, real: Tensor, shift: tuple[int, int] = (0, 0)) -> Tensor:
    """Two batches [N, 3, H, W] in [-1, 1] → [N] in 0 … 2: the mean over maps of 1 - cosine along their channels.

    *shift* rolls both pictures by so many pixels first: a net that paints in patches must not learn the grid of a net
    that sees in patches. The gradient reaches *guess* alone.
    """
    with torch.no_grad():
        wanted = features(_seen(real, shift))
    seen = features(_seen(guess, shift))
    return torch.stack([_distance(a.float(), b.float()) for a, b in zip(seen, wanted, strict=True)]).mean(dim=0)


def _seen(images: Tensor, shift: tuple[int, int]) -> Tensor:
    return (torch.roll(images, shift, dims=(2, 3)) + 1) / 2


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared distance of the unit vectors, averaged over places: [N]."""
    return (1 - F.cosine_similarity(a, b, dim=1)).reshape(len(a), -1).mean(dim=1)
