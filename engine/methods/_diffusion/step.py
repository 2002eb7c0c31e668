"""One step of a batch of samples: conditions the net, guides it, and applies the sampler."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.diffusion.denoiser import Denoiser, beyond_edges, mirrored, wandering
from engine.diffusion.samplers import SOLVERS, SolverInput, SolverStep
from engine.diffusion.schedules import stack
from engine.guidance.feature_distance import Resemblance, stand_in
from engine.guidance.guided_denoiser import Guidance, InpaintMask
from engine.images.tensors import noise, per_sample
from engine.loaders.diffusion import DiffusionNet
from engine.loaders.lpips import load_lpips
from engine.loaders.secondary import load_secondary
from engine.methods._diffusion.state import Sample, axes
from engine.methods._diffusion.text_conditioning import conditioned_denoiser
from engine.methods._shared import seam_offsets
from engine.perceptors.perceptor_loader import load_perceptor
from engine.runtime.runtime import NetProvider


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
    return SolverStep(_symmetric(batch, move.x), move.pred_xstart, move.memory)


def _margins(batch: Sequence[Sample]) -> tuple[int, int]:
    """How many pixels the network sees beyond the edges: above and below, left and right."""
    across, down = (batch[0].options.seamless in (word, "both") for word in ("across", "down"))
    return batch[0].margin * down, batch[0].margin * across


def _denoiser(net: DiffusionNet, batch: Sequence[Sample], moved: tuple[Tensor, Tensor] | None) -> Denoiser:
    """The network with the condition of each sample."""
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
        noise_keys=[s.noise_key for s in batch],
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
    """The sampler's input for the batch."""
    x = torch.stack([s.x for s in batch])
    blank = torch.zeros_like(batch[0].x)
    rows = [torch.stack([s.history[k] if k < s.depth else blank for s in batch]) for k in range(memory)]
    fresh = [noise(s.seed, s.index, s.step, "eta", s.x.shape) for s in batch]
    former = [s.schedule.at(s.stop + 1).alpha_bar if s.depth else 0.0 for s in batch]
    return SolverInput(
        x=x,
        coefficients=stack([s.schedule.at(s.stop) for s in batch]),
        ahead=stack([s.schedule.at(max(s.stop - 1, 0)) for s in batch]),
        history=torch.stack(rows) if rows else x.new_zeros(0, *x.shape),
        depth=torch.tensor([s.depth for s in batch]),
        former_alpha_bar=per_sample(torch.tensor(former, dtype=torch.float64)),
        eta=per_sample(torch.tensor([s.options.eta for s in batch], dtype=torch.float64)),
        order=torch.tensor([s.order for s in batch]),
        noise=torch.stack(fresh).to(runtime.device),
    )


def _symmetric(batch: Sequence[Sample], x: Tensor) -> Tensor:
    wishes = torch.tensor([axes(s.options) for s in batch])
    held = torch.tensor([(s.step + 1) / s.steps <= s.options.symmetry_until for s in batch])
    return mirrored(x, wishes[:, 0] & held, wishes[:, 1] & held)


def _stacked(pictures: Sequence[Tensor | None]) -> Tensor:
    return torch.stack([picture for picture in pictures if picture is not None])
