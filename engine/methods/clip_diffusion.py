"""CLIP-guided diffusion: noise becomes a picture while CLIP pulls every step towards the prompt.

Each step makes one forward pass with gradient (cond_fn with the prediction, as in crowsonkb's fork; half of the work of
the classic two passes), looks at random views of the predicted picture through CLIP, and leans the prediction against
the gradient of the losses, before DDIM takes the step. Nets that read text are guided by the text itself as well
(classifier-free). Everything is per sample, so pictures of different people at different steps share a pass.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.diffusion.denoiser import (
    Prediction,
    clipped,
    q_sample,
    with_xstart,
    xstart_shift,
)
from engine.diffusion.respacing import Moments, Walk, stack
from engine.diffusion.samplers import ddim_step
from engine.diffusion_net import DiffusionNet, load_diffusion_net
from engine.errors import NotFinite
from engine.guidance.cutouts import CutRecipe
from engine.guidance.losses import limit_rms
from engine.guidance.pull import Pull, Scales, total_loss
from engine.guidance.targets import decode, make_targets, power_of_two
from engine.guidance.verdict import judge, named
from engine.guidance.words import readable
from engine.messages import Job
from engine.models import MODELS, Model
from engine.pictures import fit, open_picture
from engine.reading import Reading, read, reading_denoiser
from engine.requests import ClipDiffusionOptions, DreamRequest
from engine.steps import Failed, Finished, Running, Step
from engine.tensors import noise, per_sample, to_image, to_signed, to_tensor, to_unit

if TYPE_CHECKING:
    from engine.guidance.perceptor import Perceptor
    from engine.runtime import Runtime


@dataclass
class Sample:
    """One picture on its way; `x` and `step` change when a step has succeeded, all else stays."""

    job_id: str
    index: int
    steps: int
    step: int
    model: Model
    options: ClipDiffusionOptions
    seed: int
    walk: Walk
    x: Tensor
    """[3, H, W], noisy, in [-1, 1] and beyond."""
    pull: Pull
    reading: Reading | None
    """For a net that reads text."""
    notes: tuple[str, ...]
    bucket: int = 1
    """The smallest batch it may run in; a replay sets that of the first time."""

    @property
    def stop(self) -> int:
        """Where on its walk the next step begins; the last is 0."""
        return self.steps - self.step - 1


class ClipDiffusion:
    """The method; see the module's docstring."""

    def load(self, request: DreamRequest, runtime: Runtime) -> None:
        """Net and perceptor into memory; refuses words that the model cannot read at all."""
        model = MODELS[request.model]
        readable(request, model)
        load_diffusion_net(model.name, runtime).walk(request.options.steps)
        runtime.perceptor(model.perceptor)

    @torch.no_grad()
    def begin(self, job: Job, images: Mapping[str, bytes], runtime: Runtime) -> list[Sample]:
        """One sample per picture: x_T drawn (or the init picture, made noisy), prompts embedded once for all."""
        request = job.request
        assert isinstance(request, DreamRequest) and isinstance(request.options, ClipDiffusionOptions)
        model, options = MODELS[request.model], request.options
        net, perceptor = load_diffusion_net(model.name, runtime), runtime.perceptor(model.perceptor)
        prompts, notes = readable(request, model)
        pictures = decode(request, images, runtime.device)
        recipe = CutRecipe(options.cutouts, options.cut_power, options.flip, options.gray, options.cut_noise)
        targets = make_targets(perceptor, prompts, pictures, recipe)
        sides = request.height // model.scale, request.width // model.scale
        init = _init(request, images, sides, runtime.device)
        return [
            Sample(
                job_id=job.id,
                index=index,
                steps=options.steps - options.skip_steps,
                step=0,
                model=model,
                options=options,
                seed=request.seed,
                walk=(walk := net.walk(options.steps)),
                x=_start(walk, options, request.seed, index, sides, init, runtime.device),
                pull=Pull(targets, recipe, _scales(options), init),
                reading=read(targets) if net.flags.context_dim and options.cfg_scale else None,
                notes=notes,
            )
            for index in range(request.count)
        ]

    def lane(self, state: Sample) -> Hashable:
        """Equal for samples that one forward pass can serve."""
        reading = state.reading
        reads = reading is not None, reading is not None and reading.unwanted is not None, state.options.cfg_scale != 1
        return state.model.name, tuple(state.x.shape), state.pull.shape, state.pull.acts, reads, state.bucket

    def advance(self, states: list[Sample], runtime: Runtime) -> list[Step]:
        """One denoising step for each."""
        net = load_diffusion_net(states[0].model.name, runtime)
        perceptor = runtime.perceptor(states[0].model.perceptor)
        bucket = max(power_of_two(len(states)), states[0].bucket)
        batch = states + [states[0]] * (bucket - len(states))
        moments = stack([s.walk.at(s.stop) for s in batch])
        prediction = _predict(net, perceptor, batch, moments)
        fresh = [noise(s.seed, s.index, s.step, "eta", s.x.shape) for s in batch]
        eta = per_sample(torch.tensor([s.options.eta for s in batch], dtype=torch.float64))
        x = ddim_step(prediction, moments, eta, torch.stack(fresh).to(runtime.device))
        alive = x.isfinite().flatten(1).all(1).tolist()
        dtype = str(net.net.torso_dtype).removeprefix("torch.")
        resolved = {"weights": net.sha256, "dtype": dtype, "bucket": bucket, **named(perceptor)}
        return [
            _commit(state, x[i], prediction.pred_xstart[i], perceptor, resolved) if alive[i] else Failed(_broken(state))
            for i, state in enumerate(states)
        ]


METHOD = ClipDiffusion()


def _predict(net: DiffusionNet, perceptor: Perceptor, batch: list[Sample], moments: Moments) -> Prediction:
    """What the net says about every x_t, leaning towards the prompts."""
    acts = batch[0].pull.acts
    with torch.set_grad_enabled(acts):
        x = torch.stack([s.x for s in batch]).requires_grad_(acts)
        denoise = reading_denoiser(net, [s.reading for s in batch], [s.options.cfg_scale for s in batch])
        prediction = denoise(x, moments)
        if acts:
            prediction = _lean(prediction, x, moments, perceptor, batch)
        x = x.detach()
        prediction = Prediction(prediction.pred_xstart.detach(), prediction.eps.detach())
    return clipped(prediction, x, moments) if net.flags.predict_xstart else prediction


def _lean(prediction: Prediction, x: Tensor, moments: Moments, perceptor: Perceptor, batch: list[Sample]) -> Prediction:
    """Against the gradient g of all losses with respect to x_t, through the net.

    Two limits, both per sample: `clamp_max` on the rms of g, as the notebooks have it; `shift_max`, times √(1-ᾱ), on
    the rms of what becomes of it in the predicted picture, which keeps the first, noisiest steps from deciding all.
    """
    sides = (x.shape[2], x.shape[3])
    cuts = [s.pull.draw(s.seed, s.index, s.step, sides, perceptor.size) for s in batch]
    loss = total_loss(perceptor, prediction.pred_xstart, [s.pull for s in batch], cuts)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    limits = torch.tensor([(s.options.clamp_max, s.options.shift_max) for s in batch], device=x.device)
    shift = xstart_shift(-limit_rms(gradient, limits[:, 0]), moments)
    shift = limit_rms(shift, limits[:, 1] * (1 - moments.alpha_bar).sqrt().flatten().to(x))
    return with_xstart(prediction, prediction.pred_xstart + shift, x, moments)


def _commit(
    state: Sample, x: Tensor, pred_xstart: Tensor, perceptor: Perceptor, resolved: Mapping[str, object]
) -> Step:
    """The step has succeeded: the sample takes its new x."""
    state.x, state.step = x.clone(), state.step + 1
    if state.step < state.steps:
        shown = pred_xstart.clone()
        return Running(state.step, state.steps, lambda: to_image(to_unit(shown)))
    picture = to_unit(state.x)
    facts = judge(perceptor, picture, state.pull.targets) | {"notes": list(state.notes), "resolved": dict(resolved)}
    return Finished(to_image(picture), facts)


def _broken(state: Sample) -> NotFinite:
    return NotFinite(
        f"The numbers of this picture stopped being finite in step {state.step + 1} of {state.steps}; "
        "a smaller clip_guidance_scale or clamp_max usually helps."
    )


def _scales(options: ClipDiffusionOptions) -> Scales:
    return Scales(
        clip=options.clip_guidance_scale,
        tv=options.tv_scale,
        range=options.range_scale,
        saturation=options.saturation_scale,
        init=options.init_scale,
    )


def _init(
    request: DreamRequest, images: Mapping[str, bytes], sides: tuple[int, int], device: torch.device
) -> Tensor | None:
    """The init picture at the net's own size: [3, H, W] in [-1, 1]."""
    if not request.init_image:
        return None
    height, width = sides
    return to_signed(to_tensor(fit(open_picture(images[request.init_image]), width, height))).to(device)


def _start(
    walk: Walk,
    options: ClipDiffusionOptions,
    seed: int,
    index: int,
    sides: tuple[int, int],
    init: Tensor | None,
    device: torch.device,
) -> Tensor:
    """x at the first stop: noise, or the init picture under as much noise as is left there."""
    fresh = noise(seed, index, 0, "x_T", (3, *sides)).to(device)
    if init is None:
        return fresh
    moments = stack([walk.at(len(walk) - options.skip_steps - 1)])
    return q_sample(init[None], fresh[None], moments.alpha_bar)[0]
