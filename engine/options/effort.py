"""How much work a request's options make, beside what its model usually does: 1 = as usual. What quotas count by."""

from __future__ import annotations

from engine import work
from engine.model import Model
from engine.options.clip_diffusion import ClipDiffusionOptions, settled
from engine.options.clipdraw import ClipdrawOptions
from engine.options.perceptors import read_perceptors
from engine.options.pixels import PixelsOptions

FORWARD = 0.5
"""Of a guided pass of the net; backward is as much."""
LIKENESS = 1.5
"""What init_distance=features costs, in views: forward and backward of the picture, forward of the init picture."""
PIXELS_REST = 4.0
"""What a step of pixels costs beside its views, in views."""
STROKE = 0.2
"""What each stroke of clipdraw costs, in views."""


def effort(options: ClipDiffusionOptions | ClipdrawOptions | PixelsOptions, model: Model) -> float:
    """The work of one step of *options* over that of one of the model's usual ones."""
    usual = model.defaults.get(options.method, {})
    if not isinstance(options, ClipDiffusionOptions):
        return _views(options) / _views(type(options).model_validate(usual))
    return _work(options, model) / _work(ClipDiffusionOptions.model_validate(settled(usual, {})), model)


def _views(options: ClipdrawOptions | PixelsOptions) -> float:
    """Of one step without a net, in views through CLIP."""
    rest = PIXELS_REST if isinstance(options, PixelsOptions) else STROKE * options.strokes
    return rest + options.cutouts


def _work(options: ClipDiffusionOptions, model: Model) -> float:
    """Of one step, a guided pass of the net with no views being 1."""
    clips = read_perceptors(options.perceptors, model.perceptor)
    heads = sum(work.clip_cost(clip.name) for clip in clips) / work.clip_cost(model.perceptor)
    views = options.looks * options.cut_batches * (options.cutouts.mean + options.overview.mean)
    through = (1 - FORWARD) * work.gradient_cost(options.gradient, options.looks_apart) / work.NET
    looking = views * heads * model.view_share if options.clip_guidance_scale.largest else 0.0
    if options.init_distance == "features":
        first = work.clip_cost(clips[0].name) / work.clip_cost(model.perceptor)
        looking += options.looks * LIKENESS * first * model.view_share
    guided = (options.guide_until - options.guide_from) / options.guide_every.mean
    return FORWARD + guided * (through + looking)
