"""One step of a batch of samples: conditions the net, guides it, and applies the sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.diffusion.denoiser import Denoiser, beyond_edges, free_guidance, mirrored, wandering
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

AVERSION_GAIN, OVERLAP_GAIN = 9.0, 25.0
"""Factors of the weight by which the unwanted prediction is subtracted. The second grows with its similarity to the
wanted one, which contains it ("a circle on a blue background | blue:-0.3")."""
AVERSION_MOST, AVERSION_LEAST_MOST, CLIPS_SHARE = 2.05, 1.68, 0.8
"""Upper limits: higher factors saturate the colours. A large weight lowers the limit, because CLIP repels as well.
Measured so that weights of -0.2 to -0.5 remove what they name and keep two thirds of the rest."""


def text_condition(
    targets: Targets, sketch: Tensor | None = None, *, free_guidance: bool = True
) -> TextCondition | None:
    """The condition of *targets* and a sketch; None if no target has a positive weight.

    A network without *free_guidance* gets the weighted sum, negative weights included, as in v-diffusion.
    """
    if not free_guidance:
        return TextCondition(F.normalize(targets.weights @ targets.vectors, dim=-1), None, 0.0)
    if not targets.wanted.any():
        return None
    overlap = max(float(targets.wanted @ targets.unwanted), 0.0)
    most = max(AVERSION_MOST - CLIPS_SHARE * targets.aversion, AVERSION_LEAST_MOST)
    aversion = min((AVERSION_GAIN + OVERLAP_GAIN * overlap) * targets.aversion, most)
    return TextCondition(targets.wanted, targets.unwanted if aversion else None, aversion, sketch)


def without_nouns(prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The prompts as the text embedding sees them beside a sketch: nouns of the icon sets left out."""
    return tuple(p if p.image else p.model_copy(update={"text": surroundings(p.text)}) for p in prompts)


def sketched(net: DiffusionNet, prompts: Sequence[Prompt], luck: Tensor, sides: tuple[int, int]) -> Tensor | None:
    """The sketch [4, H, W] of what is wanted, the heaviest prompt first; None for a network that sees none.

    *luck*: [64] uniform numbers; *sides*: height and width of the network's picture.
    """
    if net.composer is None:
        return None
    texts = [p.text for p in sorted(prompts, key=lambda p: -p.weight) if p.text and p.weight > 0]
    spots = net.composer.spots(torch.tensor(tokenise(" ".join(texts))), luck)
    return net.composer.sketch(spots[None], *sides)[0]


def conditioned_denoiser(
    net: DiffusionNet,
    conditions: Sequence[TextCondition | None],
    scales: Sequence[float],
    classes: Tensor | None = None,
    framed: Callable[[Tensor], Tensor] = lambda sketch: sketch,
) -> Denoiser:
    """*net* with one condition and one classifier-free guidance scale (Ho & Salimans 2022) per sample.

    Either all samples have a condition or none has; the same holds for what is unwanted. *classes*: [N], for a network
    that was trained with them. *framed* moves and pads the sketches [N, 4, H, W] as the network sees the pictures.
    """
    told = [r for r in conditions if r is not None]
    if not told:
        return net.denoiser(classes=classes)
    sketches = [r.sketch for r in told if r.sketch is not None]
    sketch = framed(torch.stack(sketches)) if sketches else None
    wanted = net.denoiser(torch.stack([r.wanted for r in told]), sketch=sketch)
    scale = per_sample(torch.tensor(scales))
    unwanted = [r.unwanted for r in told if r.unwanted is not None]
    if unwanted:
        aversion = per_sample(torch.tensor([r.aversion for r in told]))
        return free_guidance(wanted, net.denoiser(), scale, net.denoiser(torch.stack(unwanted)), aversion)
    return wanted if bool((scale == 1).all()) else free_guidance(wanted, net.denoiser(), scale)


def step_together(net: DiffusionNet, batch: Sequence[Sample], runtime: NetProvider) -> SolverStep:
    """The batch after a step: every sample one stop further."""
    sampler, moved = batch[0].options.sampler, seam_offsets(batch, (batch[0].x.shape[1], batch[0].x.shape[2]))
    net.net.checkpointing = batch[0].memory_level > 0
    denoise = _denoiser(net, batch, moved)
    if moved:
        denoise = wandering(denoise, *moved, _margins(batch))
    given = _stand(batch, SOLVERS[sampler].memory, runtime)
    guidance = _guidance(batch, runtime, moved, denoise, clips=net.flags.predict_xstart)
    move = SOLVERS[sampler].step(given, guidance)
    mirrors = torch.tensor([axes(s.options) for s in batch])
    held = torch.tensor([(s.step + 1) / s.steps <= s.options.symmetry_until for s in batch])
    x = mirrored(move.x, mirrors[:, 0] & held, mirrors[:, 1] & held)
    return SolverStep(x, move.pred_xstart, move.memory)


def _margins(batch: Sequence[Sample]) -> tuple[int, int]:
    """How many pixels the network sees beyond the edges: above and below, left and right."""
    across, down = (batch[0].options.seamless in (word, "both") for word in ("across", "down"))
    return batch[0].margin * down, batch[0].margin * across


def _denoiser(net: DiffusionNet, batch: Sequence[Sample], moved: tuple[Tensor, Tensor] | None) -> Denoiser:
    device = batch[0].x.device
    classes = torch.tensor([s.class_number for s in batch], device=device) if net.flags.class_cond else None

    def framed(sketch: Tensor) -> Tensor:
        return sketch.to(device) if moved is None else beyond_edges(sketch.to(device), *moved, _margins(batch))

    scales = [s.options.cfg_scale for s in batch]
    return conditioned_denoiser(net, [s.condition for s in batch], scales, classes, framed)


def _guidance(
    batch: Sequence[Sample],
    runtime: NetProvider,
    moved: tuple[Tensor, Tensor] | None,
    denoise: Denoiser,
    *,
    clips: bool,
) -> Guidance:
    first = batch[0]
    device, through = runtime.device, first.options.gradient
    inits, masks = [s.start.init for s in batch], [s.start.mask for s in batch]
    masked = first.start.mask is not None
    return Guidance(
        perceptors=[load_perceptor(eye.perceptor, runtime) for eye in first.clip_targets],
        objectives=[s.objective for s in batch],
        noise_keys=[NoiseKey(s.seed, s.index, s.step) for s in batch],
        limits=torch.tensor([s.limits for s in batch], dtype=torch.float32, device=device),
        blended=torch.tensor([s.options.sees == "blended" for s in batch]),
        path=through,
        denoise=denoise,
        clips=clips,
        secondary=load_secondary(runtime) if through == "secondary" else None,
        moved=moved,
        inpaint=InpaintMask(_stacked(inits), _stacked(masks)) if masked else None,
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


def _stand(batch: Sequence[Sample], memory: int, runtime: NetProvider) -> SolverInput:
    x = torch.stack([s.x for s in batch])
    blank = torch.zeros_like(batch[0].x)
    rows = [torch.stack([s.history[k] if k < len(s.history) else blank for s in batch]) for k in range(memory)]
    fresh = [noise(s.seed, s.index, s.step, "eta", s.x.shape) for s in batch]
    former = [s.schedule.at(s.stop + 1).alpha_bar if s.history else 0.0 for s in batch]
    return SolverInput(
        x=x,
        coefficients=stack([s.schedule.at(s.stop) for s in batch]),
        ahead=stack([s.schedule.at(max(s.stop - 1, 0)) for s in batch]),
        history=torch.stack(rows) if rows else x.new_zeros(0, *x.shape),
        depth=torch.tensor([len(s.history) for s in batch]),
        former_alpha_bar=per_sample(torch.tensor(former, dtype=torch.float64)),
        eta=per_sample(torch.tensor([s.options.eta for s in batch], dtype=torch.float64)),
        order=torch.tensor([s.order for s in batch]),
        noise=torch.stack(fresh).to(runtime.device),
    )


def _stacked(pictures: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([picture for picture in pictures if picture is not None])
