"""Samplers of timesteps."""

import pytest
import torch

from engine.errors import InvalidRequest
from engine.training.finetune.timesteps import HISTORY, LossSecondMoment, timestep_sampler


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def warmed() -> LossSecondMoment:
    """Losses of 1, 2, 3 and 4 at the four timesteps."""
    sampler = LossSecondMoment(4)
    for _ in range(HISTORY):
        sampler.note(torch.arange(4), torch.arange(1.0, 5.0))
    return sampler


def test_uniform_weights_are_one() -> None:
    timesteps, weights = timestep_sampler("uniform", 10).draw(1000, generator())
    assert set(range(10)) == set(timesteps.tolist())
    assert {1.0} == set(weights.tolist())


def test_importance_is_uniform_until_every_timestep_has_a_history() -> None:
    sampler = LossSecondMoment(4)
    for _ in range(HISTORY):
        sampler.note(torch.arange(3), torch.tensor([1.0, 2.0, 3.0]))
    assert [0.25] * 4 == sampler.weights().tolist()


def test_importance_follows_the_root_of_the_second_moment() -> None:
    expected = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64) * 0.999 + 0.001 / 4
    torch.testing.assert_close(warmed().weights(), expected)


def test_weighted_losses_keep_their_mean() -> None:
    timesteps, weights = warmed().draw(20_000, generator())
    assert 2.5 == pytest.approx(float(((timesteps + 1) * weights).mean()), rel=0.01)


def test_a_restored_sampler_draws_the_same() -> None:
    other = LossSecondMoment(4)
    other.restore(warmed().state())
    assert warmed().draw(50, generator())[0].tolist() == other.draw(50, generator())[0].tolist()


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no schedule sampler “best”; available: uniform and loss-second-moment"):
        timestep_sampler("best", 4)
