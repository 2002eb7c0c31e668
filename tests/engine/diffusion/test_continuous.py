"""The schedules of continuous time, against numbers of v-diffusion-pytorch."""

from __future__ import annotations

import math

import pytest
import torch

from engine.diffusion.schedules import TIMES, continuous_schedule
from engine.errors import InvalidRequest

REFERENCE = {
    "spliced": (0.9957106717323309, 0.9578361950203572, 0.7892252700000001, 0.52615018, 0.26307509),
    "ddpm": (0.9957106717323309, 0.9740440819094923, 0.8942875801295672, 0.7033422411229734, 0.38940162537376527),
}
"""Its functions at t = 1, 0.8, …, 0.2, in float64."""


@pytest.mark.parametrize("name", TIMES)
def test_the_times_are_the_references(name: str) -> None:
    walk = continuous_schedule(name, "5")
    found = [math.acos(math.sqrt(float(bar))) * 2 / math.pi for bar in reversed(walk.alphas_cumprod)]

    assert list(REFERENCE[name]) == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize("name", TIMES)
def test_noise_rises_and_never_leaves_nothing_of_the_image(name: str) -> None:
    for spacing in ("1000", "7", "ddim50", "10,15,25"):
        walk = continuous_schedule(name, spacing)
        bars = walk.alphas_cumprod
        assert bool((bars[1:] < bars[:-1]).all()) and 1e-6 < float(bars[-1]) < float(bars[0]) < 1
        assert 999 == walk.timestep(len(walk) - 1) or spacing == "ddim50"
        assert sorted(set(walk.timesteps)) == list(walk.timesteps)
    assert torch.float64 == bars.dtype


def test_an_impossible_spacing_is_refused_in_words() -> None:
    with pytest.raises(InvalidRequest, match="ddim150 does not exist"):
        continuous_schedule("spliced", "ddim150")
