"""One picture on its way through biggan_clip: what its numbers mean, what draws them beside CLIP, how they move.

Of every set of numbers the first are z, the others logits of the net's classes. As in Murdock's “The Big Sleep” (2021):
z is kept like what the net was trained with (a normal distribution), and all classes but the strongest fade.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.guidance.objective import Objective, Scales
from engine.methods._adam_step import adam_move
from engine.methods._guided import BETAS, EPSILON, Guided
from engine.requests.options.biggan_clip import BigganClipOptions

LOOKING = 100.0
"""How much CLIP counts beside the rest."""
TOO_FAR = 4.0
"""How much it counts that z is further out than normal numbers are."""
FADING = 50.0
"""What a weight is multiplied by before it is squared, to make it fade."""
FAINT, SPREAD = -3.9, 0.3
"""Logits of all classes, where all of them begin: a fiftieth of each."""
ABSENT = -7.0
"""Logits of the others, where some of them begin: a thousandth of each."""
MOST = 0.99
"""Of the only class that it begins with: a sigmoid never gets to 1."""


@dataclass(kw_only=True)
class Latents(Guided):
    """Its numbers are [L, z + classes]: L is 1, or one for the net's beginning and one for each of its blocks.

    What it holds on to is the init picture, [3, H, W] in [-1, 1].
    """

    options: BigganClipOptions
    average: Tensor = field(init=False)
    """Of its numbers so far, the last ones counting most: what the finished picture is made of."""

    def __post_init__(self) -> None:
        """Nothing has been averaged yet."""
        self.average = self.numbers.clone()

    @property
    def scales(self) -> Scales:
        """CLIP, smoothness, the init picture's colours."""
        options, place = self.options, self.place
        hold = 0.0 if self.held is None else float(options.init_weight.at(place))
        return Scales(LOOKING, tv=options.tv_scale.at(place), init=hold)

    @property
    def objective(self) -> Objective:
        """What draws it in the next step, the init picture too."""
        return replace(super().objective, init=self.held)


def class_weights(logits: Tensor, most: int, temperature: float) -> Tensor:
    """How much of each class there is, 0 to 1: [..., C] → [..., C].

    Each by itself (a sigmoid); or, if *most* says so, of the *most* strongest: of the first by a softmax over all, of
    the second by one over the others, and so on. The others are 0 then.
    """
    if not most:
        return logits.sigmoid()
    heat = logits / temperature
    strongest = heat.topk(most, dim=-1)
    rest = heat.scatter(-1, strongest.indices, -math.inf).logsumexp(-1)
    weights = []
    for number in reversed(range(most)):
        rest = torch.logaddexp(rest, strongest.values[..., number])
        weights.append((strongest.values[..., number] - rest).exp())
    return torch.zeros_like(logits).scatter(-1, strongest.indices, torch.stack(weights[::-1], dim=-1))


def conditions(batch: Sequence[Latents], numbers: Tensor, z_dim: int) -> tuple[Tensor, Tensor]:
    """[N, L, z + C] → z [N, L, z] and the weights of the classes [N, L, C]."""
    options = [s.options for s in batch]
    weights = [
        class_weights(row[:, z_dim:], o.max_classes, o.class_temperature)
        for row, o in zip(numbers, options, strict=True)
    ]
    return numbers[..., :z_dim], torch.stack(weights)


def strangeness(z: Tensor) -> Tensor:
    """How unlike a normal distribution's each row's numbers are, [L, z] → one number.

    Spread, mean, skewness and excess kurtosis of every row, and how far out all are.
    """
    centred = z - z.mean(1, keepdim=True)
    scores = centred / centred.square().mean(1, keepdim=True).sqrt()
    shape = scores.pow(3).mean(1).abs() + (scores.pow(4).mean(1) - 3).abs()
    row = (1 - z.std(1)).abs() + z.mean(1).abs() + shape
    return row.mean() + TOO_FAR * z.square().mean().clamp_min(1)


def crowd(weights: Tensor) -> Tensor:
    """How much there is of all classes but the strongest: [L, C] → one number."""
    squares = weights.square()
    return FADING**2 * (squares.sum(1) - squares.amax(1)).mean() / (weights.shape[1] - 1)


@torch.enable_grad()
def prior_gradient(batch: Sequence[Latents], z_dim: int) -> Tensor:
    """Of `strangeness` and `crowd`, as much as each picture's options want of them: [N, L, z + C].

    Numbers that are to spread less are measured by that spread.
    """
    numbers = torch.stack([s.numbers for s in batch]).requires_grad_()
    z, weights = conditions(batch, numbers, z_dim)
    losses = [
        s.options.latent_weight * strangeness(z[i] / s.options.truncation) + s.options.class_weight * crowd(weights[i])
        for i, s in enumerate(batch)
    ]
    (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), numbers)
    return gradient


def moved(batch: Sequence[Latents], gradient: Tensor) -> Mapping[str, Tensor]:
    """Numbers, moments and average of every picture after its own step of Adam. The average has no bias."""
    numbers, mean, square, average = (
        torch.stack([getattr(s, name) for s in batch]) for name in ("numbers", "mean", "square", "average")
    )
    counts, rates = [s.step + 1 for s in batch], [s.options.learning_rate for s in batch]
    move, mean, square = adam_move((mean, square), gradient, counts, rates, betas=BETAS, epsilon=EPSILON)
    after = numbers - move
    shares = torch.tensor([share(s.options.ema_decay, s.step + 1) for s in batch], dtype=torch.float64)
    average = average.lerp(after, shares.to(average)[:, None, None])
    return {"numbers": after, "mean": mean, "square": square, "average": average}


def share(decay: float, step: int) -> float:
    """Of the newest numbers in the average after *step* steps."""
    return (1 - decay) / (1 - decay ** (step + 1))


def all_faint(lots: Tensor) -> Tensor:
    """Logits where every class begins, from normal numbers [L, C]."""
    return FAINT + SPREAD * lots


def some_present(lots: Tensor, chosen: Sequence[tuple[int, float]], options: BigganClipOptions) -> Tensor:
    """Logits where only the *chosen* classes begin, as parts of 1: from normal numbers [L, C]."""
    logits = ABSENT + SPREAD * lots
    for number, part in chosen:
        held = min(part, MOST)
        logits[:, number] = math.log(held / (1 - held))
    return logits * options.class_temperature if options.max_classes else logits


def nearest_classes(vectors: Tensor, wanted: Tensor, count: int, sharpness: float) -> list[tuple[int, float]]:
    """The *count* rows of *vectors* [C, D] nearest to *wanted* [D], and parts of 1 by how near they are.

    Without numbers, in a rehearsal, any.
    """
    if vectors.is_meta:
        return [(number, 1 / count) for number in range(count)]
    found = (vectors @ F.normalize(wanted, dim=-1)).topk(count)
    parts = (sharpness * found.values).softmax(0)
    return list(zip(found.indices.tolist(), parts.tolist(), strict=True))
