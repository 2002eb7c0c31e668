from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.denoiser import Prediction, inpainted, mirrored, predict_eps, q_sample, rolled, seamless_denoiser
from engine.diffusion.samplers import ddim_step
from engine.diffusion.schedules import BatchCoefficients, alphas_cumprod, respaced_schedule, stack
from tests.golden import seeded

X = seeded((2, 3, 6, 8), 1)
WALK = respaced_schedule(alphas_cumprod("linear", 1000), "10")


def coefficients(stop: int = 5) -> BatchCoefficients:
    return stack([WALK.at(stop)] * 2)


def flags(*values: bool) -> Tensor:
    return torch.tensor(values)


def test_each_picture_is_mirrored_as_it_wishes() -> None:
    out = mirrored(X, flags(True, False), flags(False, True))
    assert torch.equal(out[0], out[0].flip(-1)) and torch.equal(out[0, :, :, :4], X[0, :, :, :4])
    assert torch.equal(out[1], out[1].flip(-2)) and torch.equal(out[1, :, :3], X[1, :, :3])


def test_mirrored_noise_is_as_noisy_as_before() -> None:
    wide = seeded((1, 3, 64, 64), 2)
    assert abs(float(mirrored(wide, flags(True), flags(True)).std()) - 1) < 0.05


def test_rolling_is_torchs_for_each_picture_and_undone_by_its_inverse() -> None:
    down, across = torch.tensor([2, 0]), torch.tensor([3, 7])
    out = rolled(X, down, across)
    assert torch.equal(torch.roll(X[0], (2, 3), (1, 2)), out[0])
    assert torch.equal(torch.roll(X[1], (0, 7), (1, 2)), out[1])
    assert torch.equal(X, rolled(out, -down, -across))


def test_a_net_that_looks_at_single_pixels_does_not_notice_that_it_wanders() -> None:
    def denoise(x: Tensor, at: BatchCoefficients) -> Prediction:
        return Prediction(x.sin(), predict_eps(x, x.sin(), at.alpha_bar))

    where = torch.tensor([2, 5]), torch.tensor([3, 1])
    for margin in ((0, 0), (2, 0), (2, 3)):
        moved = seamless_denoiser(denoise, *where, margin)(X, coefficients())
        assert torch.equal(denoise(X, coefficients()).pred_xstart, moved.pred_xstart)


def test_within_a_margin_a_net_sees_what_lies_beyond_the_edge() -> None:
    def left_neighbour(x: Tensor, at: BatchCoefficients) -> Prediction:
        shifted = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], dim=-1)
        return Prediction(shifted, shifted)

    still = torch.zeros(2, dtype=torch.long)
    assert torch.equal(
        torch.roll(X, 1, -1), seamless_denoiser(left_neighbour, still, still, (0, 1))(X, coefficients()).pred_xstart
    )


def test_what_a_mask_keeps_arrives_as_it_was_and_the_rest_as_predicted() -> None:
    stays, noise = seeded((2, 3, 6, 8), 3), seeded((2, 3, 6, 8), 4)
    mask = torch.zeros(2, 1, 6, 8)
    mask[..., 2:4] = 1
    x = q_sample(stays, noise, coefficients(9).alpha_bar)
    for stop in range(9, -1, -1):
        wanted = torch.full_like(x, 0.25)
        at = coefficients(stop)
        prediction = inpainted(Prediction(wanted, predict_eps(x, wanted, at.alpha_bar)), stays, mask, x, at)
        x = ddim_step(prediction, at, 0.0, torch.zeros_like(x))
    torch.testing.assert_close(x, torch.where(mask == 1, torch.tensor(0.25), stays), rtol=0, atol=1e-5)
