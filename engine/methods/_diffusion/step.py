"""One step of a batch of samples: conditions the net, guides it, and applies the sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.denoiser import Denoiser, classifier_free_guidance, mirrored, roll_and_pad, seamless_denoiser
from engine.diffusion.samplers import SOLVERS, SolverInput, SolverStep
from engine.diffusion.schedules import stack
from engine.guidance.cutouts import NoiseKey
from engine.guidance.feature_distance import Resemblance, stand_in
from engine.guidance.guided_denoiser import Guidance, InpaintMask
from engine.guidance.targets import Targets
from engine.images.tensors import noise, per_sample
from engine.loaders.diffusion import DiffusionNet
from engine.loaders.guidance_nets import load_lpips, load_secondary
from engine.methods._diffusion.state import Sample, TextCondition, axes
from engine.methods._shared import seam_offsets
from engine.perceptors.perceptor_loader import load_perceptor
from engine.primer.vocabulary import surroundings, tokenise
from engine.requests.prompts import Prompt
from engine.runtime.runtime import NetProvider

NEGATIVE_GAIN, OVERLAP_GAIN = 9.0, 25.0
"""Factors of the weight by which the negative prediction is subtracted. The second grows with its similarity to the
positive one, which contains it ("a circle on a blue background | blue:-0.3")."""
NEGATIVE_MAX, NEGATIVE_MAX_FALL = (2.05, 1.68), 0.8
"""Upper limits: higher factors saturate the colours. A large weight lowers the first towards the second, because CLIP
repels as well. Measured so that weights of -0.2 to -0.5 remove what they name and keep two thirds of the rest."""


def text_condition(
    targets: Targets, sketch: Tensor | None = None, *, free_guidance: bool = True
) -> TextCondition | None:
    """The condition of *targets* and a sketch; None if no target has a positive weight.

    A network without *free_guidance* gets the weighted sum, negative weights included, as in v-diffusion.
    """
    if not free_guidance:
        return TextCondition(F.normalize(targets.weights @ targets.vectors, dim=-1), None, 0.0)
    if not targets.positive.any():
        return None
    overlap, ratio = max(float(targets.positive @ targets.negative), 0.0), targets.negative_ratio
    most = max(NEGATIVE_MAX[0] - NEGATIVE_MAX_FALL * ratio, NEGATIVE_MAX[1])
    scale = min((NEGATIVE_GAIN + OVERLAP_GAIN * overlap) * ratio, most)
    return TextCondition(targets.positive, targets.negative if scale else None, scale, sketch)


def without_nouns(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts as the text embedding sees them beside a sketch: nouns of the icon sets left out."""
    return tuple(p if p.image else p.model_copy(update={"text": surroundings(p.text)}) for p in prompts)


def sketched(net: DiffusionNet, prompts: Sequence[Prompt], draws: Tensor, sides: tuple[int, int]) -> Tensor | None:
    """The sketch [4, H, W] of the positive prompts, the heaviest first; None for a network that sees none.

    *draws*: [64] uniform numbers; *sides*: height and width of the network's picture.
    """
    if net.composer is None:
        return None
    texts = [p.text for p in sorted(prompts, key=lambda p: -p.weight) if p.text and p.weight > 0]
    spots = net.composer.spots(torch.tensor(tokenise(" ".join(texts))), draws)
    return net.composer.sketch(spots[None], *sides)[0]


def conditioned_denoiser(
    net: DiffusionNet,
    conditions: Sequence[TextCondition | None],
    scales: Sequence[float],
    classes: Tensor | None = None,
    frame: Callable[[Tensor], Tensor] = lambda sketch: sketch,
) -> Denoiser:
    """*net* with one condition and one classifier-free guidance scale per sample.

    Either all samples have a condition or none has; the same holds for negative ones. *classes*: [N], for a network
    that was trained with them. *frame* moves and pads the sketches [N, 4, H, W] as the network sees the pictures.
    """
    given = [c for c in conditions if c is not None]
    if not given:
        return net.denoiser(classes=classes)
    sketches = [c.sketch for c in given if c.sketch is not None]
    sketch = frame(torch.stack(sketches)) if sketches else None
    positive = net.denoiser(torch.stack([c.positive for c in given]), sketch=sketch)
    scale = per_sample(torch.tensor(scales))
    negatives = [c.negative for c in given if c.negative is not None]
    if negatives:
        negative_scale = per_sample(torch.tensor([c.negative_scale for c in given]))
        negative = net.denoiser(torch.stack(negatives))
        return classifier_free_guidance(positive, net.denoiser(), scale, negative, negative_scale)
    return positive if bool((scale == 1).all()) else classifier_free_guidance(positive, net.denoiser(), scale)


def step_together(net: DiffusionNet, batch: Sequence[Sample], runtime: NetProvider) -> SolverStep:
    """The batch after a step of its sampler."""
    first = batch[0]
    offsets = seam_offsets(batch, (first.x.shape[1], first.x.shape[2]))
    net.net.checkpointing = first.memory_level > 0
    denoise = _denoiser(net, batch, offsets)
    if offsets:
        denoise = seamless_denoiser(denoise, *offsets, _margins(first))
    solver = SOLVERS[first.options.sampler]
    guidance = _guidance(batch, runtime, offsets, denoise, clips=net.flags.predict_xstart)
    after = solver.step(_solver_input(batch, solver.memory, runtime), guidance)
    mirrors = torch.tensor([axes(s.options) for s in batch])
    held = torch.tensor([(s.step + 1) / s.steps <= s.options.symmetry_until for s in batch])
    return replace(after, x=mirrored(after.x, mirrors[:, 0] & held, mirrors[:, 1] & held))


def _margins(sample: Sample) -> tuple[int, int]:
    """How many pixels the network sees beyond the edges: above and below, left and right."""
    across, down = (sample.options.seamless in (word, "both") for word in ("across", "down"))
    return sample.margin * down, sample.margin * across


def _denoiser(net: DiffusionNet, batch: Sequence[Sample], offsets: tuple[Tensor, Tensor] | None) -> Denoiser:
    device = batch[0].x.device
    classes = torch.tensor([s.class_number for s in batch], device=device) if net.flags.class_cond else None

    def frame(sketch: Tensor) -> Tensor:
        return sketch.to(device) if offsets is None else roll_and_pad(sketch.to(device), *offsets, _margins(batch[0]))

    return conditioned_denoiser(net, [s.condition for s in batch], [s.options.cfg_scale for s in batch], classes, frame)


def _guidance(
    batch: Sequence[Sample],
    runtime: NetProvider,
    offsets: tuple[Tensor, Tensor] | None,
    denoise: Denoiser,
    *,
    clips: bool,
) -> Guidance:
    first = batch[0]
    inpaint = None
    if first.start.mask is not None:
        inpaint = InpaintMask(_stacked(s.start.init for s in batch), _stacked(s.start.mask for s in batch))
    return Guidance(
        perceptors=[load_perceptor(target.perceptor, runtime) for target in first.clip_targets],
        objectives=[s.objective for s in batch],
        noise_keys=[NoiseKey(s.seed, s.index, s.step) for s in batch],
        limits=torch.tensor([s.limits for s in batch], dtype=torch.float32, device=runtime.device),
        blended=torch.tensor([s.options.sees == "blended" for s in batch]),
        path=first.options.gradient,
        denoise=denoise,
        clips=clips,
        secondary=load_secondary(runtime) if first.options.gradient == "secondary" else None,
        offsets=offsets,
        inpaint=inpaint,
        resemblance=_resemblance(first, runtime),
    )


def _resemblance(sample: Sample, runtime: NetProvider) -> Resemblance | None:
    """LPIPS, or its replacement if its files are missing; None for samples that do not use it."""
    if sample.options.init_distance != "lpips":
        return None
    if not sample.lpips:
        return stand_in(load_perceptor(sample.clip_targets[0].perceptor, runtime))
    net = load_lpips(runtime)
    return lambda seen, inits, noise_keys: net(seen, inits)


def _solver_input(batch: Sequence[Sample], memory: int, runtime: NetProvider) -> SolverInput:
    x = torch.stack([s.x for s in batch])
    blank = torch.zeros_like(batch[0].x)
    rows = [torch.stack([s.history[k] if k < len(s.history) else blank for s in batch]) for k in range(memory)]
    fresh = [noise(s.seed, s.index, s.step, "eta", s.x.shape) for s in batch]
    former = [s.schedule.at(s.schedule_index + 1).alpha_bar if s.history else 0.0 for s in batch]
    return SolverInput(
        x=x,
        coefficients=stack([s.schedule.at(s.schedule_index) for s in batch]),
        ahead=stack([s.schedule.at(max(s.schedule_index - 1, 0)) for s in batch]),
        history=torch.stack(rows) if rows else x.new_zeros(0, *x.shape),
        depth=torch.tensor([len(s.history) for s in batch]),
        former_alpha_bar=per_sample(torch.tensor(former, dtype=torch.float64)),
        eta=per_sample(torch.tensor([s.options.eta for s in batch], dtype=torch.float64)),
        order=torch.tensor([s.order for s in batch]),
        noise=torch.stack(fresh).to(runtime.device),
    )


def _stacked(pictures: Iterable[Tensor | None]) -> Tensor:
    return torch.stack([picture for picture in pictures if picture is not None])
