"""The objective of one image in one step: CLIP targets, cutouts, loss scales; and the gradient of the summed losses.

Each loss returns one number per sample, so a sample's gradient does not depend on the batch. Images are [N, 3, H, W] in
[-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.denoiser import rolled
from engine.guidance.cutouts import CutRecipe, NoiseKey, cut, draw_cuts
from engine.guidance.feature_distance import Resemblance, feature_distance
from engine.guidance.targets import Targets
from engine.images.tensors import to_unit
from engine.perceptors.perceptor import Perceptor
from engine.requests.options.clip_views import Weighted


def spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """Half the squared angle between unit vectors, 2·arcsin(|x - y| / 2)² (Crowson 2021): [..., D] → [...].

    Computed from the cosine, clamped away from the poles, where the derivative of arcsin is infinite.
    """
    half_chord = ((1 - (x * y).sum(-1)) / 2).clamp(1e-7, 1 - 1e-7).sqrt()
    return 2 * half_chord.arcsin() ** 2


def cos_spherical_distance(x: Tensor, y: Tensor) -> Tensor:
    """`spherical_distance` + ½·exp(2·(1 - cos)), which weighs large distances more (clip-diffusion-art)."""
    return spherical_distance(x, y) + ((1 - (x * y).sum(-1)) / 0.5).exp() / 2


Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
DISTANCES: Mapping[str, Distance] = {"spherical": spherical_distance, "cos_spherical": cos_spherical_distance}
"""Option value → distance."""


def clip_loss(
    views: Tensor,
    targets: Tensor,
    weights: Tensor,
    distance: Distance = spherical_distance,
    stops: Tensor | None = None,
) -> Tensor:
    """Σ over targets of weight · distance, averaged over views.

    *views* [N, C, D] and *targets* [N, P, D] are unit vectors; *weights*: [N, P]. Returns [N]. A distance has no
    gradient once distance · sign(weight) is below its stop (*stops*: [N, P]; VQGAN-CLIP).
    """
    distances = distance(views[:, :, None], targets[:, None])
    if stops is not None:
        reached = distances * weights.sign()[:, None] < stops[:, None]
        distances = torch.where(reached, distances.detach(), distances)
    return (distances * weights[:, None]).sum(-1).mean(-1)


def tv_loss(x: Tensor) -> Tensor:
    """Total variation, squared: the mean over C, H, W of dx² + dy². [N]."""
    padded = F.pad(x, (0, 1, 0, 1), "replicate")
    across = padded[..., :-1, 1:] - x
    down = padded[..., 1:, :-1] - x
    return (across**2 + down**2).mean((1, 2, 3))


def range_loss(x: Tensor) -> Tensor:
    """Mean squared excess beyond [-1, 1]: [N]."""
    return (x - x.clamp(-1, 1)).square().mean((1, 2, 3))


def saturation_loss(x: Tensor) -> Tensor:
    """Mean absolute excess beyond [-1, 1]: [N]."""
    return (x - x.clamp(-1, 1)).abs().mean((1, 2, 3))


def mse_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference: [N]."""
    return (x - y).square().mean((1, 2, 3))


def limit_rms(gradient: Tensor, most: Tensor) -> Tensor:
    """Scale the gradient of each sample to an rms of at most *most* [N]; 0 means no limit.

    Public tools limit the whole batch, which makes an image depend on its neighbours.
    """
    rms = gradient.square().mean((1, 2, 3)).sqrt().clamp_min(1e-20)
    factor = torch.where(most > 0, torch.minimum(rms, most) / rms, torch.ones_like(rms))
    return gradient * factor.view(-1, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class Scales:
    """The weight of each loss; 0 turns it off."""

    clip: float = 0.0
    tv: float = 0.0
    range: float = 0.0
    saturation: float = 0.0
    init: float = 0.0
    """Weight of the squared distance to the init image in pixels."""
    features: float = 0.0
    """Weight of the distance to the init image in feature maps: of the first perceptor, or LPIPS."""


@dataclass(frozen=True, slots=True)
class ClipTarget:
    """One guiding CLIP: its name, the embedded prompts, and the weight of its loss."""

    perceptor: str
    targets: Targets
    weight: float = 1.0
    recipe: CutRecipe | None = None
    """Its own cutouts; None = those of the objective."""
    guide: Weighted | None = None
    """Schedules of its weight and number of cutouts, read by `at`."""

    def at(self, timestep: float, recipe: CutRecipe) -> ClipTarget:
        """This target with the scheduled weight and cutouts at *timestep*. *recipe*: the default cutouts."""
        if self.guide is None:
            return self
        own = None if self.guide.cutouts is None else replace(recipe, count=int(self.guide.cutouts.at(timestep)))
        return replace(self, weight=float(self.guide.weight.at(timestep)), recipe=own)


@dataclass(frozen=True, slots=True)
class Objective:
    """All losses of one image in one step."""

    clip_targets: tuple[ClipTarget, ...]
    recipe: CutRecipe
    scales: Scales
    init: Tensor | None = field(default=None, compare=False)
    """[3, H, W] in [-1, 1]: the init image of `scales.init` and `scales.features`."""
    distance: str = "spherical"
    batches: int = 1
    """Number of batches of cutouts per step (`cutn_batches`); only one is in memory at a time."""
    parts: int = 1
    """Number of parts in which a batch of cutouts is evaluated: less memory, the same gradient."""

    @property
    def targets(self) -> Targets:
        return self.clip_targets[0].targets

    @property
    def shape(self) -> Hashable:
        """Equal for objectives that one batch can hold: CLIPs, numbers of targets and cutouts, active losses."""
        clip_targets = tuple(
            (
                target.perceptor,
                len(target.targets.weights),
                target.targets.stops is None,
                target.weight != 0,
                cuts.total,
            )
            for target, cuts in zip(self.clip_targets, self.recipes, strict=True)
        )
        losses = self.scales.clip != 0, self.scales.features != 0
        cuts = self.recipe.total, self.recipe.rim, self.recipe.augment
        return clip_targets, cuts, self.batches, self.parts, self.distance, losses

    @property
    def recipes(self) -> tuple[CutRecipe, ...]:
        return tuple(target.recipe or self.recipe for target in self.clip_targets)

    @property
    def most_cuts(self) -> int:
        return max(recipe.total for recipe in self.recipes)

    @property
    def acts(self) -> bool:
        """Whether any loss has a scale other than 0."""
        return any(astuple(self.scales))


def objective_gradient(
    perceptors: Sequence[Perceptor],
    seen: Tensor,
    objectives: Sequence[Objective],
    noise_keys: Sequence[NoiseKey],
    offsets: tuple[Tensor, Tensor] | None = None,
    resemblance: Resemblance | None = None,
) -> Tensor:
    """The gradient ∂/∂seen of the summed losses of each image: [N, 3, H, W] in [-1, 1] → [N, 3, H, W].

    *objectives* (of equal `shape`) and *noise_keys*: one per image. *perceptors*: those of the objectives' CLIP
    targets. *offsets*: [N] pixels down and across by which each image is rolled for CLIP and the smoothness loss.
    *resemblance*: distance to the init images; None = in the maps of the first perceptor. The autograd graph of each
    batch or part is freed before the next one is built.
    """
    leaf = seen.detach().requires_grad_()
    with torch.enable_grad():
        passes = _passes(objectives[0], rehearsed=leaf.is_meta) if objectives[0].scales.clip else []
        first = passes[0] if passes else None
        total = _clip_losses(perceptors, leaf, objectives, noise_keys, offsets, first)
        total = _pixel_losses(leaf, objectives, offsets, total)
        if objectives[0].scales.features:
            distance = resemblance or partial(feature_distance, perceptors[0])
            unlike = distance(leaf, _inits(objectives, leaf), noise_keys)
            total = total + _column([p.scales.features for p in objectives], leaf) * unlike
        gradient = _gradient(leaf, total)
        for clip_pass in passes[1:]:
            gradient = gradient + _gradient(
                leaf, _clip_losses(perceptors, leaf, objectives, noise_keys, offsets, clip_pass)
            )
    return gradient


def gradient_through(leaf: Tensor, *outputs: tuple[Tensor, Tensor]) -> Tensor:
    """The gradient at *leaf* from pairs of a tensor that depends on it and the gradient at that tensor (chain rule).

    Differentiates a weighted sum: the argument `grad_outputs` of `autograd.grad` imports SymPy, which takes 0.3 s.
    """
    return _gradient(leaf, torch.stack([(output * gradient).sum() for output, gradient in outputs]))


def _passes(objective: Objective, *, rehearsed: bool) -> list[tuple[int, int, int]]:
    """All (CLIP, batch, part) with a weight. In a dry run only the first and the last, largest part of each CLIP."""
    found = list[tuple[int, int, int]]()
    for number, (target, recipe) in enumerate(zip(objective.clip_targets, objective.recipes, strict=True)):
        parts = min(objective.parts, recipe.total)
        passes = (
            [(number, batch, part) for batch in range(objective.batches) for part in range(parts)]
            if target.weight
            else []
        )
        found += dict.fromkeys((passes[0], passes[-1])) if rehearsed and passes else passes
    return found


def _gradient(leaf: Tensor, loss: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    return gradient


def _pixel_losses(
    seen: Tensor, objectives: Sequence[Objective], offsets: tuple[Tensor, Tensor] | None, total: Tensor
) -> Tensor:
    """*total* plus all losses on pixels. Losses with scale 0 for every image are not computed."""
    if any(smooth := [p.scales.tv for p in objectives]):
        total = total + _column(smooth, seen) * tv_loss(rolled(seen, *offsets) if offsets else seen)
    if any(pale := [p.scales.saturation for p in objectives]):
        total = total + _column(pale, seen) * saturation_loss(seen)
    if any(like := [p.scales.init for p in objectives]):
        total = total + _column(like, seen) * mse_loss(seen, _inits(objectives, seen))
    return total


def _clip_losses(
    perceptors: Sequence[Perceptor],
    seen: Tensor,
    objectives: Sequence[Objective],
    noise_keys: Sequence[NoiseKey],
    offsets: tuple[Tensor, Tensor] | None,
    clip_pass: tuple[int, int, int] | None,
) -> Tensor:
    """The loss of one CLIP for one part of a batch of cutouts, for each image: [N]. Parts sum to the batch's loss."""
    if clip_pass is None:
        return 0 * seen.flatten(1).sum(1)  # keeps the graph if only other losses use the prediction
    number, batch, part = clip_pass
    perceptor, clip_targets = perceptors[number], [p.clip_targets[number] for p in objectives]
    recipes = [p.recipes[number] for p in objectives]
    shown = rolled(seen, *offsets) if offsets else seen
    sides, name = (seen.shape[2], seen.shape[3]), f" {number}/{batch}" if number or batch else ""
    cuts = [
        draw_cuts(recipe, t.seed, t.index, t.step, sides, perceptor.size, name).part(part, min(p.parts, recipe.total))
        for p, t, recipe in zip(objectives, noise_keys, recipes, strict=True)
    ]
    views = perceptor.encode_image(to_unit(cut(shown, cuts, perceptor.size)))
    targets = torch.stack([target.targets.vectors for target in clip_targets])
    weights = torch.stack([target.targets.weights for target in clip_targets])
    stops = [target.targets.stops for target in clip_targets]
    loss = clip_loss(
        views.view(len(objectives), -1, views.shape[-1]),
        targets,
        weights,
        DISTANCES[objectives[0].distance],
        None if any(stop is None for stop in stops) else torch.stack(stops),  # type: ignore[arg-type]
    )
    share = len(cuts[0].windows) / recipes[0].total
    return _column([p.scales.clip * p.clip_targets[number].weight / p.batches * share for p in objectives], seen) * loss


def range_gradient(predicted: Tensor, objectives: Sequence[Objective]) -> Tensor | None:
    """∂/∂predicted of the range loss of each image, [N, 3, H, W]; None if no image has one.

    Crowson's notebooks measure it on the predicted image, not on the blend that CLIP sees.
    """
    scales = [p.scales.range for p in objectives]
    if not any(scales):
        return None
    leaf = predicted.detach().requires_grad_()
    with torch.enable_grad():
        return _gradient(leaf, _column(scales, leaf) * range_loss(leaf))


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)


def _inits(objectives: Sequence[Objective], x: Tensor) -> Tensor:
    return torch.stack([torch.zeros_like(x[i]) if p.init is None else p.init for i, p in enumerate(objectives)])
