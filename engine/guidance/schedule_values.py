"""The scheduled options of clip_diffusion at one timestep: objective, cutouts, gradient limits."""

from __future__ import annotations

from torch import Tensor

from engine.guidance.cutouts import CutRecipe
from engine.guidance.objective import ClipTarget, Objective, Scales
from engine.requests.augment import read_augment
from engine.requests.options.clip_diffusion import ClipDiffusionOptions


def recipe_at(options: ClipDiffusionOptions, timestep: float) -> CutRecipe:
    """The cutouts at *timestep*, 999 (noise) to 0."""
    return CutRecipe(
        count=int(options.cutouts.at(timestep)),
        power=options.cut_power.at(timestep),
        flip=options.flip,
        gray=options.gray.at(timestep),
        noise=options.cut_noise,
        kind=options.cut_kind,
        overview=int(options.overview.at(timestep)),
        augment=read_augment(options.augment),
    )


def objective_at(
    options: ClipDiffusionOptions, clip_targets: tuple[ClipTarget, ...], init: Tensor | None, timestep: float, step: int
) -> Objective:
    """The objective of *step* at *timestep*; all scales are 0 in a step without guidance."""
    guided, recipe = guides(options, timestep, step), recipe_at(options, timestep)
    return Objective(
        clip_targets=tuple(target.at(timestep, recipe) for target in clip_targets),
        recipe=recipe,
        scales=_scales(options, timestep) if guided else Scales(),
        init=init,
        distance=options.distance,
        lots=options.cut_batches,
    )


def guides(options: ClipDiffusionOptions, timestep: float, step: int) -> bool:
    """Whether *step* is guided: every k-th step within the interval."""
    within = options.guide_from <= step / options.steps < options.guide_until
    return within and step % int(options.guide_every.at(timestep)) == 0


def limits_at(options: ClipDiffusionOptions, timestep: float) -> tuple[float, float]:
    """`clamp_max` and `shift_max` at *timestep*."""
    return options.clamp_max.at(timestep), options.shift_max.at(timestep)


def _scales(options: ClipDiffusionOptions, timestep: float) -> Scales:
    init = {options.init_distance: options.init_scale.at(timestep)}
    return Scales(
        clip=options.clip_guidance_scale.at(timestep),
        tv=options.tv_scale.at(timestep),
        range=options.range_scale.at(timestep),
        saturation=options.saturation_scale.at(timestep),
        init=init.get("pixels", 0.0),
        features=init.get("features", 0.0) + init.get("lpips", 0.0),
    )
