"""All that pulls one picture in one direction: its targets, how it is cut, what counts how much; and their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.guidance.cutouts import CutRecipe, Cuts, cut, draw_cuts
from engine.guidance.losses import clip_loss, mse_loss, range_loss, saturation_loss, tv_loss
from engine.guidance.perceptor import Perceptor
from engine.guidance.targets import Targets
from engine.tensors import to_unit


@dataclass(frozen=True, slots=True)
class Scales:
    """How much each loss counts; 0 = not at all."""

    clip: float
    tv: float = 0.0
    range: float = 0.0
    saturation: float = 0.0
    init: float = 0.0


@dataclass(frozen=True, slots=True)
class Pull:
    """What one picture is drawn towards."""

    targets: Targets
    recipe: CutRecipe
    scales: Scales
    init: Tensor | None = field(default=None, compare=False)
    """[3, H, W] in [-1, 1]: the picture that `scales.init` holds on to."""

    @property
    def shape(self) -> tuple[int, int, bool]:
        """Equal for pulls that can act together: cuts, targets, whether CLIP looks at all."""
        return self.recipe.count, len(self.targets.weights), self.scales.clip != 0

    @property
    def acts(self) -> bool:
        """Whether there is any pull."""
        return any((self.scales.clip, self.scales.tv, self.scales.range, self.scales.saturation, self.scales.init))

    def draw(self, seed: int, index: int, step: int, sides: tuple[int, int], size: int) -> Cuts:
        """This step's cuts; see `draw_cuts`."""
        return draw_cuts(self.recipe, seed, index, step, sides, size)


def total_loss(perceptor: Perceptor, seen: Tensor, pulls: Sequence[Pull], cuts: Sequence[Cuts]) -> Tensor:
    """The sum of all losses of each picture: *seen* [N, 3, H, W] in [-1, 1] → [N].

    *pulls* and *cuts* are one per picture and of one `shape`. A loss that counts for nobody is not computed.
    """
    total = torch.zeros(len(pulls), device=seen.device)
    if pulls[0].scales.clip:
        total = total + _column(pulls, lambda s: s.clip, seen) * _clip(perceptor, seen, pulls, cuts)
    losses: tuple[tuple[Callable[[Scales], float], Callable[[Tensor], Tensor]], ...] = (
        (lambda s: s.tv, tv_loss),
        (lambda s: s.range, range_loss),
        (lambda s: s.saturation, saturation_loss),
        (lambda s: s.init, lambda x: mse_loss(x, _inits(pulls, x))),
    )
    for scale, loss in losses:
        if any(scale(p.scales) for p in pulls):
            total = total + _column(pulls, scale, seen) * loss(seen)
    return total


def _clip(perceptor: Perceptor, seen: Tensor, pulls: Sequence[Pull], cuts: Sequence[Cuts]) -> Tensor:
    views = perceptor.encode_image(to_unit(cut(seen, cuts, perceptor.size)))
    targets = torch.stack([p.targets.vectors for p in pulls])
    weights = torch.stack([p.targets.weights for p in pulls])
    return clip_loss(views.view(len(pulls), -1, views.shape[-1]), targets, weights)


def _column(pulls: Sequence[Pull], scale: Callable[[Scales], float], like: Tensor) -> Tensor:
    return torch.tensor([scale(p.scales) for p in pulls], device=like.device)


def _inits(pulls: Sequence[Pull], x: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(x[i]) if p.init is None else p.init for i, p in enumerate(pulls)])
