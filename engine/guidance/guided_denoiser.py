"""From what a net says about x_t to what it says leaning towards the prompts: the gradient, its limits, its effect.

The gradient with respect to x_t goes back through whatever makes the picture that CLIP looks at (`base`):

    net        the net itself: one forward pass with gradient (variant B; the classic tools ran it twice)
    secondary  a small net that predicts the same picture roughly (variant C)
    xstart     nothing: ∂x_0/∂x_t is taken to be that of the ideal net for independent pixels (variant D)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.denoiser import (
    Denoiser,
    Prediction,
    clipped,
    gradient_of_shift,
    plain_slope,
    with_xstart,
    xstart_shift,
)
from engine.diffusion.respacing import BatchCoefficients
from engine.diffusion.solvers import Answer
from engine.diffusion.symmetry import kept
from engine.guidance.losses import limit_rms
from engine.guidance.noise_key import NoiseKey
from engine.guidance.objective import Objective, objective_gradient
from engine.guidance.perceptor import Perceptor
from engine.images.tensors import per_sample


@dataclass(frozen=True, slots=True)
class InpaintMask:
    """What stays outside of a mask, of every sample of a batch."""

    picture: Tensor
    """[N, 3, H, W]."""
    mask: Tensor
    """[N, 1, H, W]: 1 where it is painted."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """The guidance of one batch. The objectives of its samples have equal `Objective.shape`."""

    perceptors: Sequence[Perceptor]
    objectives: Sequence[Objective]
    noise_keys: Sequence[NoiseKey]
    limits: Tensor
    """[N, 2]: clamp_max and shift_max; 0 = none."""
    blended: Tensor
    """[N], bool: whether CLIP sees the predicted picture over the noisy one."""
    gradient: str
    secondary: Denoiser | None = None
    moved: tuple[Tensor, Tensor] | None = None
    """[N] each: how far down and across CLIP sees the picture moved."""
    inpaint: InpaintMask | None = None

    @property
    def acts(self) -> bool:
        """Whether any loss has a scale other than 0."""
        return self.objectives[0].acts

    def ask(self, denoise: Denoiser, x: Tensor, coefficients: BatchCoefficients, clips: bool) -> Answer:
        """What *denoise* says about *x*, plainly and leaning; with *clips*, both within [-1, 1]."""
        if not self.acts:
            plain = self.plain(denoise, x, coefficients, clips)
            return Answer(plain, plain)
        prediction, leaf = self._asked(denoise, x, coefficients)
        shift = self._shift(prediction, leaf, coefficients)
        x, plain = x.detach(), _detached(prediction)
        leaning = with_xstart(plain, plain.pred_xstart + shift, x, coefficients)
        return Answer(
            self._framed(plain, x, coefficients, clips),
            self._framed(leaning, x, coefficients, clips),
            self._within(gradient_of_shift(shift, coefficients)),
        )

    @torch.no_grad()
    def plain(self, denoise: Denoiser, x: Tensor, coefficients: BatchCoefficients, clips: bool) -> Prediction:
        """What *denoise* says about *x* where nothing leans."""
        return self._framed(denoise(x, coefficients), x, coefficients, clips)

    def objective(self, denoise: Denoiser, x: Tensor, coefficients: BatchCoefficients) -> Tensor | None:
        """Only ∇ log p(y | x_t), limited; *denoise* is not asked where a secondary net takes the gradient."""
        if not self.acts:
            return None
        prediction, leaf = (None, x.detach()) if self.secondary is not None else self._asked(denoise, x, coefficients)
        return self._within(gradient_of_shift(self._shift(prediction, leaf, coefficients), coefficients))

    def _asked(self, denoise: Denoiser, x: Tensor, coefficients: BatchCoefficients) -> tuple[Prediction, Tensor]:
        """The net's answer, with its graph where the gradient goes through it, and the leaf of that."""
        through = self.gradient == "net"
        with torch.set_grad_enabled(through):
            leaf = x.detach().requires_grad_(through)
            return denoise(leaf, coefficients), leaf

    def _within(self, gradient: Tensor) -> Tensor:
        return gradient if self.inpaint is None else gradient * self.inpaint.mask

    def _shift(self, prediction: Prediction | None, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """How the predicted picture changes: against the gradient of all losses with respect to x_t.

        Two limits, both per sample: `clamp_max` on the rms of the gradient, as the notebooks have it; `shift_max`,
        times √(1-ᾱ), on the rms of what becomes of it in the picture, which keeps the first, noisiest steps from
        deciding all.
        """
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_()
            seen = self._seen(self._base(prediction, leaf, coefficients), leaf, coefficients)
        wanted = objective_gradient(self.perceptors, seen, self.objectives, self.noise_keys, self.moved)
        (gradient,) = torch.autograd.grad(seen, leaf, wanted)
        shift = xstart_shift(-limit_rms(gradient, self.limits[:, 0]), coefficients)
        return limit_rms(shift, self.limits[:, 1] * (1 - coefficients.alpha_bar).sqrt().flatten().to(x))

    def _base(self, prediction: Prediction | None, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """The predicted picture, with the graph that the gradient shall take."""
        if self.secondary is not None:
            return self.secondary(x, coefficients).pred_xstart
        assert prediction is not None
        if self.gradient == "net":
            return prediction.pred_xstart
        return prediction.pred_xstart.detach() + plain_slope(coefficients).to(x) * (x - x.detach())

    def _seen(self, base: Tensor, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """What CLIP looks at. Blended it is x_0·√(1-ᾱ) + x_t·(1-√(1-ᾱ)): the noisier, the more of the prediction."""
        if self.inpaint is not None:
            base = torch.lerp(self.inpaint.picture, base, self.inpaint.mask)
        if not self.blended.any():
            return base
        part = torch.where(per_sample(self.blended), (1 - coefficients.alpha_bar).sqrt(), 1.0).to(x)
        return part * base + (1 - part) * x

    def _framed(self, prediction: Prediction, x: Tensor, coefficients: BatchCoefficients, clips: bool) -> Prediction:
        if clips:
            prediction = clipped(prediction, x, coefficients)
        return (
            prediction
            if self.inpaint is None
            else kept(prediction, self.inpaint.picture, self.inpaint.mask, x, coefficients)
        )


@dataclass(frozen=True, slots=True)
class Guided:
    """A net and what leans it, as solvers ask them. *clips*: what it says lies within [-1, 1]."""

    guidance: Guidance
    denoise: Denoiser
    clips: bool

    def __call__(self, x: Tensor, coefficients: BatchCoefficients) -> Answer:
        """Both, of one pass."""
        return self.guidance.ask(self.denoise, x, coefficients, self.clips)

    def plain(self, x: Tensor, coefficients: BatchCoefficients) -> Prediction:
        """The net alone."""
        return self.guidance.plain(self.denoise, x, coefficients, self.clips)

    def gradient(self, x: Tensor, coefficients: BatchCoefficients) -> Tensor | None:
        """The guidance alone."""
        return self.guidance.objective(self.denoise, x, coefficients)


def _detached(prediction: Prediction) -> Prediction:
    variance = prediction.log_variance
    return Prediction(
        prediction.pred_xstart.detach(), prediction.eps.detach(), None if variance is None else variance.detach()
    )
