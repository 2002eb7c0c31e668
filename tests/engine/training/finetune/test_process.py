"""Losses and gradients of one step, against the formulas written out in NumPy and against the reference package."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.nets.flags import AdmFlags, read_flags
from engine.training.finetune.process import LossOptions, Process

SIDE, TIMES = 4, torch.tensor([0, 1, 500, 999])
FLAGS = {"image_size": 64, "learn_sigma": True}


def images() -> Tensor:
    """Levels of 8 bits, among them both ends of the range."""
    levels = torch.randint(256, (4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))
    levels[:, 0, 0] = torch.tensor([0, 255, 0, 255])
    return levels.double() / 127.5 - 1


def noise() -> Tensor:
    return torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def net(out: int) -> nn.Conv2d:
    torch.manual_seed(3)
    return nn.Conv2d(3, out, 3, padding=1)


def betas(flags: AdmFlags) -> np.ndarray:
    n = flags.diffusion_steps
    if flags.noise_schedule == "linear":
        return np.linspace(1000 / n * 0.0001, 1000 / n * 0.02, n)

    def bar(s: float) -> float:
        return math.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2

    return np.array([min(1 - bar((i + 1) / n) / bar(i / n), 0.999) for i in range(n)])


def written_out(flags: AdmFlags, options: LossOptions, output: np.ndarray) -> np.ndarray:
    """`loss` [N], one sample and one value of it after the other, as the papers write it."""
    b = betas(flags)
    bars = np.cumprod(1 - b)
    x0, eps = images().numpy(), noise().numpy()
    loss = []
    for n, t in enumerate(TIMES.tolist()):
        bar, before = bars[t], bars[t - 1] if t else 1.0
        xt = math.sqrt(bar) * x0[n] + math.sqrt(1 - bar) * eps[n]
        guess, spread = output[n, :3], output[n, 3:]
        v = math.sqrt(bar) * eps[n] - math.sqrt(1 - bar) * x0[n]
        if flags.predict_xstart:
            wanted, x0_hat = x0[n], guess
        elif flags.predict_v:
            wanted, x0_hat = v, math.sqrt(bar) * xt - math.sqrt(1 - bar) * guess
        else:
            wanted, x0_hat = eps[n], (xt - math.sqrt(1 - bar) * guess) / math.sqrt(bar)
        tilde = [b[s] * (1 - bars[s - 1]) / (1 - bars[s]) if s else None for s in (t, 1)]
        log_tilde = math.log(tilde[0] if tilde[0] is not None else tilde[1])

        def mu(
            start: np.ndarray, xt: np.ndarray = xt, bar: float = bar, before: float = before, t: int = t
        ) -> np.ndarray:
            return (math.sqrt(before) * b[t] * start + math.sqrt(1 - b[t]) * (1 - before) * xt) / (1 - bar)

        if flags.learn_sigma:
            frac = (spread + 1) / 2
            log_own = frac * math.log(b[t]) + (1 - frac) * log_tilde
        else:
            log_own = np.full_like(guess, log_tilde if t == 0 else math.log(b[t]))
        if t:
            kl = 0.5 * (
                log_own - log_tilde - 1 + np.exp(log_tilde - log_own) + (mu(x0[n]) - mu(x0_hat)) ** 2 / np.exp(log_own)
            )
            bound = kl.mean() / math.log(2)
        else:
            bound = -levels(x0[n], mu(x0_hat), np.exp(log_own / 2)).mean() / math.log(2)
        if options.use_kl:
            loss.append(bound * flags.diffusion_steps)
            continue
        snr = bar / (1 - bar)
        weight = 1.0
        if options.min_snr_gamma:
            least = min(snr, options.min_snr_gamma)
            weight = least if flags.predict_xstart else least / (snr + 1) if flags.predict_v else least / snr
        total = weight * ((wanted - guess) ** 2).mean()
        if flags.learn_sigma:
            total += bound * (flags.diffusion_steps / 1000 if options.rescale_learned_sigmas else 1)
        loss.append(total)
    return np.array(loss)


def levels(x: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """log P of each 8-bit level, with the reference's tanh approximation of the normal distribution."""

    def cdf(z: float) -> float:
        return 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

    out = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        above, below = (cdf((x[i] - mean[i] + side / 255) / sigma[i]) for side in (1, -1))
        p = above if x[i] < -0.999 else 1 - below if x[i] > 0.999 else above - below
        out[i] = math.log(max(p, 1e-12))
    return out


CASES: dict[str, tuple[dict[str, object], LossOptions]] = {
    "L_simple": ({"learn_sigma": False}, LossOptions()),
    "L_hybrid": ({}, LossOptions()),
    "rescaled sigmas": ({"diffusion_steps": 4000}, LossOptions(rescale_learned_sigmas=True)),
    "bound": ({}, LossOptions(use_kl=True)),
    "bound of a fixed variance": ({"learn_sigma": False, "noise_schedule": "cosine"}, LossOptions(use_kl=True)),
    "x_0, cosine": ({"predict_xstart": True, "noise_schedule": "cosine"}, LossOptions()),
    "v, cosine": ({"predict_v": True, "noise_schedule": "cosine"}, LossOptions()),
    "min-SNR of eps": ({"learn_sigma": False}, LossOptions(min_snr_gamma=5)),
    "min-SNR of x_0": ({"predict_xstart": True}, LossOptions(min_snr_gamma=5)),
    "min-SNR of v": ({"predict_v": True}, LossOptions(min_snr_gamma=5)),
}


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_the_papers(case: str) -> None:
    given, options = CASES[case]
    flags = read_flags({**FLAGS, **given})
    convolution = net(6 if flags.learn_sigma else 3).double()
    outputs: list[Tensor] = []

    def answer(x_t: Tensor, timesteps: Tensor) -> Tensor:
        outputs.append(convolution(x_t))
        return outputs[-1]

    losses = Process(flags, options).losses(answer, images(), TIMES, noise())
    expected = written_out(flags, options, outputs[0].detach().numpy())
    np.testing.assert_allclose(losses["loss"].detach().numpy(), expected, rtol=1e-6, atol=1e-9)


def test_the_bound_in_l_hybrid_teaches_the_variance_alone() -> None:
    process, convolution = Process(read_flags(FLAGS)), net(6)
    losses = process.losses(lambda x, _: convolution(x), images().float(), TIMES, noise().float())
    losses["vb"].sum().backward()
    assert convolution.weight.grad is not None
    assert 0 == float(convolution.weight.grad[:3].abs().max())
    assert 0 < float(convolution.weight.grad[3:].abs().max())


def test_timesteps_are_rescaled_to_a_thousand() -> None:
    seen: list[Tensor] = []

    def answer(x_t: Tensor, timesteps: Tensor) -> Tensor:
        seen.append(timesteps)
        return x_t

    flags = read_flags({"image_size": 64, "diffusion_steps": 4000, "rescale_timesteps": True})
    Process(flags).losses(answer, images().float(), TIMES, noise().float())
    assert [0, 0.25, 125, 249.75] == seen[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [{}, {"rescale_learned_sigmas": True}, {"use_kl": True}, {"learn_sigma": False}, {"predict_xstart": True}],
    ids=str,
)
def test_losses_and_gradients_are_those_of_the_reference_package(given: dict[str, object]) -> None:
    script = pytest.importorskip("guided_diffusion.script_util", reason="guided-diffusion-sdk is not installed")
    usual = script.diffusion_defaults()
    reference = script.create_gaussian_diffusion(
        **{**{k: v for k, v in usual.items() if k != "diffusion_steps"}, "steps": 1000, "learn_sigma": True, **given}
    )
    mine = {key: value for key, value in given.items() if key in ("use_kl", "rescale_learned_sigmas")}
    flags = read_flags({**FLAGS, **{key: value for key, value in given.items() if key not in mine}})
    process = Process(flags, LossOptions(**mine))  # type: ignore[arg-type]

    def run(losses: Callable[[nn.Conv2d], Tensor]) -> tuple[Tensor, Tensor]:
        convolution = net(6 if flags.learn_sigma else 3)
        loss = losses(convolution)
        loss.mean().backward()
        assert convolution.weight.grad is not None
        return loss.detach(), convolution.weight.grad

    x0, eps = images().float(), noise().float()
    own = run(lambda c: process.losses(lambda x, _: c(x), x0, TIMES, eps)["loss"])
    theirs = run(lambda c: reference.training_losses(lambda x, _, **__: c(x), x0, TIMES, noise=eps)["loss"])
    torch.testing.assert_close(own[0], theirs[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own[1], theirs[1], rtol=1e-3, atol=1e-5)
