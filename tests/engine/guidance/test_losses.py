from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from engine.guidance.objective import (
    clip_loss,
    gradient_through,
    limit_rms,
    mse_loss,
    range_loss,
    saturation_loss,
    spherical_distance,
    tv_loss,
)
from tests.torch_server import run_python


def unit(*shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(1)), dim=-1)


def test_the_spherical_distance_is_half_the_squared_angle() -> None:
    angles = torch.linspace(0.05, 3.0, 20)
    x = torch.stack([angles.cos(), angles.sin()], dim=-1)
    torch.testing.assert_close(spherical_distance(x, torch.tensor([1.0, 0.0])), angles**2 / 2, rtol=1e-3, atol=1e-4)


def test_the_spherical_distance_is_crowsons_formula() -> None:
    x, y = unit(10, 8), unit(20, 8)[10:]
    torch.testing.assert_close(spherical_distance(x, y), 2 * ((x - y).norm(dim=-1) / 2).arcsin() ** 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_distance_has_a_finite_gradient_at_both_poles(sign: float) -> None:
    x = unit(3, 8).requires_grad_()
    spherical_distance(x, sign * x.detach()).sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())


def test_a_clip_loss_weighs_targets_and_averages_views() -> None:
    views, targets = unit(2, 3, 8), unit(2, 4, 8)
    weights = torch.tensor([[1.0, 0, 0, 0], [2.0, -1, 0, 0]])
    d = [[float(spherical_distance(views[1, c], targets[1, p])) for p in range(2)] for c in range(3)]
    expected = sum(2 * a - b for a, b in d) / 3
    assert expected == pytest.approx(float(clip_loss(views, targets, weights)[1]), abs=1e-5)


def test_targets_of_no_weight_change_nothing() -> None:
    views, targets = unit(2, 3, 8), unit(2, 2, 8)
    weights = torch.tensor([[0.4, 0.6]] * 2)
    padded = clip_loss(views, F.pad(targets, (0, 0, 0, 2)), F.pad(weights, (0, 2)))
    torch.testing.assert_close(padded, clip_loss(views, targets, weights), rtol=1e-5, atol=0)


def test_total_variation_counts_steps_between_neighbours() -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[..., 2:] = 1
    assert 4 / 16 == float(tv_loss(x))
    assert 0 == float(tv_loss(torch.ones(1, 3, 4, 4)))


def test_colours_in_range_cost_nothing_and_others_have_a_gradient() -> None:
    x = torch.tensor([0.5, -1.0, 3.0, -1.5]).view(1, 1, 2, 2).requires_grad_()
    assert (2**2 + 0.5**2) / 4 == pytest.approx(range_loss(x).item())
    assert 2.5 / 4 == pytest.approx(saturation_loss(x).item())
    for loss in (range_loss, saturation_loss):
        (gradient,) = torch.autograd.grad(loss(x).sum(), x)
        assert [False, False, True, True] == (gradient.flatten() != 0).tolist()


def test_losses_are_one_number_per_sample() -> None:
    x = torch.randn(5, 3, 8, 8)
    for values in (tv_loss(x), range_loss(x), saturation_loss(x), mse_loss(x, -x)):
        assert (5,) == values.shape


def test_the_limit_on_a_gradient_is_per_sample() -> None:
    gradient = torch.stack([torch.full((3, 4, 4), v) for v in (10.0, 0.01, 10.0, 0.0)])
    limited = limit_rms(gradient, torch.tensor([0.05, 0.05, 0.0, 0.05]))
    assert [0.05, 0.01, 10.0, 0.0] == pytest.approx(limited[:, 0, 0, 0].tolist())


def test_a_picture_that_is_not_finite_leaves_its_neighbours_gradient_alone() -> None:
    x = torch.randn(2, 3, 4, 4)
    alone = limit_rms(x[:1], torch.tensor([0.05]))
    x[1] = math.nan
    assert torch.equal(alone, limit_rms(x, torch.tensor([0.05, 0.05]))[:1])


def test_from_its_stop_value_on_a_view_is_not_pulled_nearer() -> None:
    """`replace_grad(d, max(d, stop))` of VQGAN-CLIP, with d = sign(weight) · distance."""
    views = F.normalize(torch.randn(1, 4, 8), dim=-1).requires_grad_()
    targets, weights = F.normalize(torch.randn(1, 2, 8), dim=-1), torch.tensor([[1.5, -0.5]])
    distances = spherical_distance(views[:, :, None], targets[:, None])
    medians = torch.stack([distances[0, :, 0].median(), -distances[0, :, 1].median()]).detach()
    stops = medians[None] + 1e-3  # at equal values both branches of `maximum` would have a gradient
    signed = distances * weights.sign()[:, None]
    backward = torch.maximum(signed, stops[:, None]) * weights.abs()[:, None]
    (expected,) = torch.autograd.grad(backward.sum(-1).mean(-1).sum(), views, retain_graph=True)
    loss = clip_loss(views, targets, weights, stops=stops)
    (found,) = torch.autograd.grad(loss.sum(), views)
    torch.testing.assert_close(loss, clip_loss(views, targets, weights))
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, torch.autograd.grad(clip_loss(views, targets, weights).sum(), views)[0])


def test_the_gradient_through_several_tensors_is_autograds() -> None:
    leaf = torch.randn(2, 3, requires_grad=True)
    outputs, gradients = [leaf.sin(), leaf**2], [torch.randn(2, 3), torch.randn(2, 3)]
    (expected,) = torch.autograd.grad(outputs, leaf, gradients, retain_graph=True)
    assert torch.equal(expected, gradient_through(leaf, *zip(outputs, gradients, strict=True)))


def test_a_gradient_imports_no_sympy() -> None:
    code = (
        "import sys, torch\n"
        "from engine.guidance.objective import gradient_through\n"
        "leaf = torch.ones(3, requires_grad=True)\n"
        "gradient_through(leaf, (leaf * 2, torch.ones(3)))\n"
        "print('sympy' in sys.modules)"
    )
    done = run_python("-c", code, cwd=Path.cwd())
    assert (0, "False") == (done.returncode, done.stdout.strip()), done.stderr
