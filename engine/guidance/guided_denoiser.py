"""CLIP guidance of a denoiser: the gradient of the objective, its limits, and its effect on the prediction.

The gradient with respect to x_t goes back through the network that predicts the image which CLIP scores:

    net        the denoiser itself: one forward pass with gradient (the classic tools ran it twice)
    secondary  a small network that predicts about the same image
    xstart     none: ∂x_0/∂x_t is taken from the ideal denoiser of independent pixels
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
    gaussian_slope,
    gradient_of_shift,
    inpainted,
    with_xstart,
    xstart_shift,
)
from engine.diffusion.samplers import GuidedPrediction
from engine.diffusion.schedules import BatchCoefficients
from engine.guidance.cutouts import NoiseKey
from engine.guidance.feature_distance import Resemblance
from engine.guidance.objective import Objective, gradient_through, limit_rms, objective_gradient, range_gradient
from engine.images.tensors import per_sample
from engine.perceptors.perceptor import Perceptor


@dataclass(frozen=True, slots=True)
class InpaintMask:
    """Images and masks of inpainting, one per sample."""

    picture: Tensor
    """[N, 3, H, W]."""
    mask: Tensor
    """[N, 1, H, W]: 1 where the image is repainted."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """The guidance of one batch. The objectives of its samples have equal `Objective.shape`."""

    perceptors: Sequence[Perceptor]
    objectives: Sequence[Objective]
    noise_keys: Sequence[NoiseKey]
    limits: Tensor
    """[N, 2]: clamp_max and shift_max; 0 = none."""
    blended: Tensor
    """[N], bool: whether CLIP sees a blend of the predicted and the noisy image."""
    path: str
    """The path of the gradient: net, secondary or xstart; see the module's docstring."""
    denoise: Denoiser
    clips: bool = False
    """Whether predicted images are clamped to [-1, 1]."""
    secondary: Denoiser | None = None
    offsets: tuple[Tensor, Tensor] | None = None
    """[N] each: pixels down and across by which the image is rolled for CLIP."""
    inpaint: InpaintMask | None = None
    resemblance: Resemblance | None = None
    """Distance to the init images in feature maps; None = in those of the first perceptor."""

    def predict(self, x: Tensor, coefficients: BatchCoefficients) -> GuidedPrediction:
        """The prediction without and with guidance, from one forward pass. *x*: [N, 3, H, W]."""
        if not self.objectives[0].acts:
            plain = self.plain(x, coefficients)
            return GuidedPrediction(plain, plain)
        prediction, leaf = self._forward(x, coefficients)
        shift = self._shift(prediction, leaf, coefficients)
        x, variance = x.detach(), prediction.log_variance
        kept_variance = None if variance is None else variance.detach()
        plain = Prediction(prediction.pred_xstart.detach(), prediction.eps.detach(), kept_variance)
        guided = with_xstart(plain, plain.pred_xstart + shift, x, coefficients)
        return GuidedPrediction(
            self._framed(plain, x, coefficients),
            self._framed(guided, x, coefficients),
            self._within(gradient_of_shift(shift, coefficients)),
        )

    @torch.no_grad()
    def plain(self, x: Tensor, coefficients: BatchCoefficients) -> Prediction:
        return self._framed(self.denoise(x, coefficients), x, coefficients)

    def gradient(self, x: Tensor, coefficients: BatchCoefficients) -> Tensor | None:
        """∇ log p(y | x_t), limited; None without guidance. With a secondary network, the network itself is not run."""
        if not self.objectives[0].acts:
            return None
        prediction, leaf = (None, x.detach()) if self.secondary is not None else self._forward(x, coefficients)
        return self._within(gradient_of_shift(self._shift(prediction, leaf, coefficients), coefficients))

    def _forward(self, x: Tensor, coefficients: BatchCoefficients) -> tuple[Prediction, Tensor]:
        """The prediction, with its autograd graph if the gradient goes through the network, and the leaf of that."""
        through = self.path == "net"
        with torch.set_grad_enabled(through):
            leaf = x.detach().requires_grad_(through)
            return self.denoise(leaf, coefficients), leaf

    def _within(self, gradient: Tensor) -> Tensor:
        return gradient if self.inpaint is None else gradient * self.inpaint.mask

    def _shift(self, prediction: Prediction | None, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """The change of the predicted image, against the gradient of all losses with respect to x_t.

        Two limits per sample: `clamp_max` on the rms of the gradient, as in the notebooks, and `shift_max` · √(1-ᾱ) on
        the rms of the change, which limits the influence of the first, noisiest steps.
        """
        with torch.enable_grad():
            leaf = x if x.requires_grad else x.detach().requires_grad_()
            base = self._base(prediction, leaf, coefficients)
            seen = self._seen(base, leaf, coefficients)
        wanted = objective_gradient(
            self.perceptors, seen, self.objectives, self.noise_keys, self.offsets, self.resemblance
        )
        inside = range_gradient(base, self.objectives)
        with torch.enable_grad():
            gradient = gradient_through(leaf, (seen, wanted), *(() if inside is None else [(base, inside)]))
        shift = xstart_shift(-limit_rms(gradient, self.limits[:, 0]), coefficients)
        return limit_rms(shift, self.limits[:, 1] * (1 - coefficients.alpha_bar).sqrt().flatten().to(x))

    def _base(self, prediction: Prediction | None, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """The predicted image, with the autograd graph of `path`."""
        if self.secondary is not None:
            return self.secondary(x, coefficients).pred_xstart
        assert prediction is not None
        if self.path == "net":
            return prediction.pred_xstart
        return prediction.pred_xstart.detach() + gaussian_slope(coefficients).to(x) * (x - x.detach())

    def _seen(self, base: Tensor, x: Tensor, coefficients: BatchCoefficients) -> Tensor:
        """The input of CLIP. Blended: x_0·√(1-ᾱ) + x_t·(1-√(1-ᾱ)), so a noisier x_t has less weight."""
        if self.inpaint is not None:
            base = torch.lerp(self.inpaint.picture, base, self.inpaint.mask)
        if not self.blended.any():
            return base
        part = torch.where(per_sample(self.blended), (1 - coefficients.alpha_bar).sqrt(), 1.0).to(x)
        return part * base + (1 - part) * x

    def _framed(self, prediction: Prediction, x: Tensor, coefficients: BatchCoefficients) -> Prediction:
        if self.clips:
            prediction = clipped(prediction, x, coefficients)
        if self.inpaint is None:
            return prediction
        return inpainted(prediction, self.inpaint.picture, self.inpaint.mask, x, coefficients)
