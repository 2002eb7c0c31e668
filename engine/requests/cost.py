"""How much work a request's options make, beside what its model usually does: 1 = as usual. What quotas count by."""

from __future__ import annotations

from typing import TypeAlias

from engine.catalogue import flops as work
from engine.catalogue.model_info import Model
from engine.requests.clip_weights import read_perceptors
from engine.requests.options.biggan_clip import BigganClipOptions
from engine.requests.options.clip_diffusion import ClipDiffusionOptions, settled
from engine.requests.options.clipdraw import ClipdrawOptions
from engine.requests.options.pixels import PixelsOptions
from engine.requests.options.vqgan_clip import VqganClipOptions

FORWARD = 0.5
"""Of a guided pass of the net; backward is as much."""
LIKENESS = 1.5
"""What init_distance=features costs, in views: forward and backward of the picture, forward of the init picture."""
PIXELS_REST = 4.0
"""What a step of pixels costs beside its views, in views."""
STROKE = 0.2
"""What each stroke of clipdraw costs, in views."""
VQGAN_REST, SMALL_VQGAN_REST = 25.0, 4.0
"""What a step of vqgan_clip costs beside its views, in views: a published decoder, and the small one. Counted."""


AnyOptions: TypeAlias = ClipDiffusionOptions | ClipdrawOptions | PixelsOptions | VqganClipOptions | BigganClipOptions


def effort(options: AnyOptions, model: Model) -> float:
    """The work of one step of *options* over that of one of the model's usual ones."""
    usual = model.defaults.get(options.method, {})
    if isinstance(options, VqganClipOptions):
        return _looks(options, model) / _looks(VqganClipOptions.model_validate(usual), model)
    if isinstance(options, BigganClipOptions):
        return _sleeps(options, model) / _sleeps(BigganClipOptions.model_validate(usual), model)
    if not isinstance(options, ClipDiffusionOptions):
        return _views(options) / _views(type(options).model_validate(usual))
    return _work(options, model) / _work(ClipDiffusionOptions.model_validate(settled(usual, {})), model)


def _views(options: ClipdrawOptions | PixelsOptions) -> float:
    """Of one step without a net, in views through CLIP."""
    rest = PIXELS_REST if isinstance(options, PixelsOptions) else STROKE * options.strokes
    return rest + options.cutouts


def _work(options: ClipDiffusionOptions, model: Model) -> float:
    """Of one step, a guided pass of the net with no views being 1."""
    heads = _heads(options.perceptors, model)
    clips = read_perceptors(options.perceptors, model.perceptor)
    views = options.looks * options.cut_batches * (options.cutouts.mean + options.overview.mean)
    through = (1 - FORWARD) * work.gradient_cost(options.gradient, options.looks_apart) / work.NET
    looking = views * heads * model.view_share if options.clip_guidance_scale.largest else 0.0
    if options.init_distance == "features":
        first = work.clip_cost(clips[0].name) / work.clip_cost(model.perceptor)
        looking += options.looks * LIKENESS * first * model.view_share
    guided = (options.guide_until - options.guide_from) / options.guide_every.mean
    return FORWARD + guided * (through + looking)


def _looks(options: VqganClipOptions, model: Model) -> float:
    """Of one step of vqgan_clip, in views through the model's CLIP."""
    rest = SMALL_VQGAN_REST if model.limited_words else VQGAN_REST
    return rest + options.cut_batches * options.cutouts.mean * _heads(options.perceptors, model)


def _sleeps(options: BigganClipOptions, model: Model) -> float:
    """Of one step of biggan_clip, a pass of the net with no views being 1."""
    views = options.cut_batches * options.cutouts.mean * _heads(options.perceptors, model)
    return 1 + views * model.view_share


def _heads(perceptors: str, model: Model) -> float:
    """What a view through all these CLIPs costs, over one through the model's own."""
    clips = read_perceptors(perceptors, model.perceptor)
    return sum(work.clip_cost(clip.name) for clip in clips) / work.clip_cost(model.perceptor)
