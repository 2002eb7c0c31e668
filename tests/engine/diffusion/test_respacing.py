from __future__ import annotations

import pytest
import torch

from engine.diffusion.schedules import alphas_cumprod, respaced_schedule
from engine.diffusion.spacing import ddim_counts, respace
from engine.errors import InvalidRequest


def test_an_integer_stride() -> None:
    assert (0, 250, 500, 750) == respace(1000, "ddim4")


def test_a_count_is_spread_from_end_to_end() -> None:
    assert (0, 333, 666, 999) == respace(1000, "4")
    assert (0, 999) == respace(1000, "2")
    assert (0,) == respace(1000, "1")


def test_sections_share_the_steps() -> None:
    assert (0, 2, 4, 5, 9) == respace(10, "3,2")
    assert (0, 3, 4, 6, 7) == respace(10, "2,2,1")


def test_as_many_steps_as_there_are_is_no_respacing() -> None:
    bars = alphas_cumprod("linear", 1000)
    for spec in ("1000", "ddim1000"):
        schedule = respaced_schedule(bars, spec)
        assert tuple(range(1000)) == schedule.timesteps
        assert torch.equal(bars, schedule.alphas_cumprod)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("ddim150", "ddim143 \\(nearest\\) or plain 150"),
        ("ddim2000", "the limit is 1000"),
        ("1001", "the limit is 1000"),
        ("600,10", "the limit is 500"),
        ("fast", "“fast” is not a valid"),
        ("0", "“0” is not a valid"),
        ("10,,5", "“10,,5” is not a valid"),
        ("-5", "not a valid"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(spec: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        respace(1000, spec)


def test_every_advertised_ddim_count_exists() -> None:
    for count in ddim_counts(100):
        assert count == len(respace(100, f"ddim{count}"))


def test_the_last_stop_leads_to_the_picture_itself() -> None:
    schedule = respaced_schedule(alphas_cumprod("cosine", 1000), "5")
    assert 1.0 == schedule.at(0).alpha_bar_prev
    assert [schedule.at(i).alpha_bar for i in range(4)] == [schedule.at(i + 1).alpha_bar_prev for i in range(4)]
    assert schedule.at(1).log_variance_small == schedule.at(0).log_variance_small


def test_timesteps_are_rescaled_for_a_net_with_another_number_of_steps() -> None:
    schedule = respaced_schedule(alphas_cumprod("linear", 4000), "4", rescale_timesteps=True)
    assert [0, 333.25, 666.5, 999.75] == pytest.approx([schedule.at(i).timestep for i in range(4)], abs=0.2)
