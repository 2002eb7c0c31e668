from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction, gaussian_slope, predict_eps
from engine.diffusion.samplers import GuidedPrediction
from engine.diffusion.schedules import BatchCoefficients, alphas_cumprod, respaced_schedule, stack
from engine.guidance.cutouts import CutRecipe, NoiseKey
from engine.guidance.guided_denoiser import Guidance, InpaintMask
from engine.guidance.objective import ClipTarget, Objective, Scales, objective_gradient
from engine.guidance.targets import Targets, make_targets
from engine.perceptors.perceptor import Perceptor
from engine.requests.prompts import parse_prompts
from tests.engine.diffusion.walks import conditioned
from tests.engine.tiny import tiny_perceptor
from tests.golden import seeded

WALK = respaced_schedule(alphas_cumprod("cosine", 1000), "20")
X = seeded((2, 3, 32, 32), 4)
TURNS = (NoiseKey(7, 0, 1), NoiseKey(8, 0, 4))


def coefficients(stop: int = 9) -> BatchCoefficients:
    return stack([WALK.at(stop), WALK.at(stop + 3)])


def ideal(x: Tensor, at: BatchCoefficients) -> Prediction:
    x_start = gaussian_slope(at).to(x) * x
    return Prediction(x_start, predict_eps(x, x_start, at.alpha_bar))


def targets(perceptor: Perceptor) -> Targets:
    return make_targets(perceptor, parse_prompts("an owl | fog:-0.5"), {}, CutRecipe(2))


def objective(perceptor: Perceptor, scales: Scales, **more: object) -> Objective:
    return Objective((ClipTarget("primer", targets(perceptor)),), CutRecipe(3, noise=0.1), scales, **more)  # type: ignore[arg-type]


def guidance(perceptor: Perceptor, scales: Scales, gradient: str = "net", **more: object) -> Guidance:
    settings: dict[str, object] = {
        "limits": torch.zeros(2, 2),
        "blended": torch.zeros(2, dtype=torch.bool),
        "path": gradient,
        "denoise": ideal,
        **more,
    }
    objectives = [objective(perceptor, scales)] * 2
    return Guidance(perceptors=[perceptor], objectives=objectives, noise_keys=TURNS, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def perceptor() -> Perceptor:
    return tiny_perceptor()


@pytest.mark.parametrize("blended", [False, True])
def test_for_independent_pixels_the_gradient_of_the_picture_alone_is_that_through_the_net(
    perceptor: Perceptor, blended: bool
) -> None:
    flags = torch.tensor([blended] * 2)
    scales = Scales(clip=1000, tv=20)
    net, alone = (
        guidance(perceptor, scales, g, blended=flags).predict(X, coefficients()).guided.pred_xstart
        for g in ("net", "xstart")
    )
    assert (net - ideal(X, coefficients()).pred_xstart).abs().max() > 1e-3
    torch.testing.assert_close(net, alone, rtol=1e-4, atol=1e-5)


def test_through_a_secondary_net_that_is_the_net_itself_nothing_changes(perceptor: Perceptor) -> None:
    net, second = (
        guidance(perceptor, Scales(1000), g, secondary=ideal).predict(X, coefficients()).guided.pred_xstart
        for g in ("net", "secondary")
    )
    torch.testing.assert_close(net, second)


def test_through_a_secondary_net_the_large_one_takes_no_gradient(perceptor: Perceptor) -> None:
    asked = []

    def large(x: Tensor, at: BatchCoefficients) -> Prediction:
        asked.append(torch.is_grad_enabled())
        return ideal(x, at)

    replace(guidance(perceptor, Scales(1000), "secondary", secondary=ideal), denoise=large, clips=False).predict(
        X, coefficients()
    )
    assert [False] == asked


@pytest.mark.parametrize("gradient", ["net", "secondary", "xstart"])
def test_asked_apart_net_and_guidance_say_what_they_say_together(perceptor: Perceptor, gradient: str) -> None:
    second = ideal if gradient == "secondary" else None
    passes = []

    def large(x: Tensor, at: BatchCoefficients) -> Prediction:
        passes.append(x.requires_grad)
        return ideal(x, at)

    guided = replace(guidance(perceptor, Scales(1000, tv=5), gradient, secondary=second), denoise=large, clips=True)
    together = guided.predict(X, coefficients())
    assert together.gradient is not None and [gradient == "net"] == passes
    torch.testing.assert_close(together.plain.eps, guided.plain(X, coefficients()).eps)
    passes.clear()
    torch.testing.assert_close(together.gradient, guided.gradient(X, coefficients()))
    assert {"net": [True], "secondary": [], "xstart": [False]}[gradient] == passes


def test_where_nothing_pulls_there_is_no_gradient_and_no_pass_for_it(perceptor: Perceptor) -> None:
    def never(x: Tensor, at: BatchCoefficients) -> Prediction:
        raise AssertionError("asked")

    assert replace(guidance(perceptor, Scales()), denoise=never, clips=False).gradient(X, coefficients()) is None


def test_the_gradient_that_ancestral_steps_take_is_the_one_that_leans(perceptor: Perceptor) -> None:
    answer: GuidedPrediction = guidance(perceptor, Scales(1000)).predict(X, coefficients())
    assert answer.gradient is not None
    leant = conditioned(answer.plain, answer.gradient, X, coefficients())
    torch.testing.assert_close(leant.pred_xstart, answer.guided.pred_xstart, rtol=1e-4, atol=1e-5)


def test_limits_are_of_each_picture_alone(perceptor: Perceptor) -> None:
    limits = torch.tensor([[0.01, 0.0], [0.0, 0.02]])
    answer = guidance(perceptor, Scales(5000), limits=limits).predict(X, coefficients())
    assert answer.gradient is not None
    rms = answer.gradient.square().mean((1, 2, 3)).sqrt()
    assert 0.01 == pytest.approx(float(rms[0]), rel=1e-3)
    shift = (answer.guided.pred_xstart - answer.plain.pred_xstart).square().mean((1, 2, 3)).sqrt()
    assert 0.02 * float((1 - coefficients().alpha_bar[1]).sqrt()) == pytest.approx(float(shift[1]), rel=1e-3)


def test_what_stays_is_seen_and_kept(perceptor: Perceptor) -> None:
    mask = torch.zeros(2, 1, 32, 32)
    mask[..., :16] = 1
    inpaint = InpaintMask(seeded((2, 3, 32, 32), 5).clamp(-1, 1), mask)
    answer = guidance(perceptor, Scales(1000), inpaint=inpaint).predict(X, coefficients())
    assert torch.equal(inpaint.picture[..., 16:], answer.guided.pred_xstart[..., 16:])
    assert answer.gradient is not None and not answer.gradient[..., 16:].any() and answer.gradient[..., :16].any()


@pytest.mark.parametrize("parts", [2, 3])
def test_cuts_that_are_looked_at_in_parts_pull_as_they_do_together(perceptor: Perceptor, parts: int) -> None:
    whole, parted = (
        objective_gradient([perceptor], X, [replace(objective(perceptor, Scales(1000, tv=5)), parts=n)] * 2, TURNS)
        for n in (1, parts)
    )
    assert (whole - parted).abs().max() < 1e-4 * whole.abs().max()


def test_lots_of_cuts_are_averaged_and_drawn_anew(perceptor: Perceptor) -> None:
    one, two = (
        objective_gradient([perceptor], X, [objective(perceptor, Scales(1000), batches=batches)] * 2, TURNS)
        for batches in (1, 2)
    )
    assert not torch.equal(one, two)
    cosine = torch.cosine_similarity(one.flatten(1), two.flatten(1))
    assert (cosine > 0.5).all()


def test_several_eyes_add_up_by_their_weights(perceptor: Perceptor) -> None:
    eye = ClipTarget("primer", targets(perceptor))
    recipe, scales = CutRecipe(3), Scales(1000)

    def gradient(*weights: float) -> Tensor:
        clip_targets = tuple(ClipTarget("primer", eye.targets, weight) for weight in weights)
        return objective_gradient(
            [perceptor] * len(clip_targets), X, [Objective(clip_targets, recipe, scales)] * 2, TURNS
        )

    both = gradient(2.0, 1.0)
    torch.testing.assert_close(2 * gradient(1.0), gradient(2.0))
    assert not torch.allclose(both, gradient(3.0))
    torch.testing.assert_close(both - gradient(2.0), gradient(0.0, 1.0))


def test_cos_spherical_pulls_too_but_otherwise(perceptor: Perceptor) -> None:
    plain, cos = (
        objective_gradient([perceptor], X, [objective(perceptor, Scales(1000), distance=d)] * 2, TURNS)
        for d in ("spherical", "cos_spherical")
    )
    assert not torch.allclose(plain, cos)
    assert (torch.cosine_similarity(plain.flatten(1), cos.flatten(1)) > 0.9).all()


@pytest.mark.parametrize("blended", [False, True])
def test_the_range_loss_is_no_no_op(perceptor: Perceptor, blended: bool) -> None:
    """In most public tools it is: they differentiate by a picture that the prediction lies upstream of."""
    loud = 3 * X
    answer = guidance(perceptor, Scales(range=1000), blended=torch.tensor([blended] * 2)).predict(loud, coefficients(3))
    before, after = (p.pred_xstart.abs().clamp_min(1).sum() for p in (answer.plain, answer.guided))
    assert after < before


@pytest.mark.parametrize("gradient", ["net", "xstart"])
@pytest.mark.parametrize("scale", [300, 100])
def test_colours_out_of_range_are_pulled_in_on_the_predicted_image(
    perceptor: Perceptor, gradient: str, scale: int
) -> None:
    """Written out: ∂ mean (x_0 - clamp x_0)² / ∂x_t, whether CLIP sees x_0 or its blend with x_t."""
    x, at = 4 * X, coefficients()
    leaf = x.clone().requires_grad_()
    predicted = ideal(leaf, at).pred_xstart
    loss = scale * (predicted - predicted.clamp(-1, 1)).square().mean((1, 2, 3)).sum()
    (expected,) = torch.autograd.grad(loss, leaf)
    for blended in (False, True):
        flags = torch.tensor([blended] * 2)
        found = guidance(perceptor, Scales(range=scale), gradient, blended=flags).gradient(x, at)
        assert found is not None and expected.abs().max() > 0
        torch.testing.assert_close(found, -expected, rtol=1e-4, atol=1e-7)
