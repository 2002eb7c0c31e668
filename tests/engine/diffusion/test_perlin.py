from __future__ import annotations

import pytest
import torch

from engine.diffusion.perlin import KINDS, perlin_picture


@pytest.mark.parametrize("kind", KINDS)
def test_clouds_fill_the_frame_within_range(kind: str) -> None:
    clouds = perlin_picture(kind, 7, 0, (48, 80))
    assert (3, 48, 80) == clouds.shape
    assert clouds.abs().max() <= 1 and clouds.std() > 0.1


def test_gray_is_gray_and_colour_is_not() -> None:
    gray, color = (perlin_picture(kind, 7, 0, (32, 32)) for kind in ("gray", "color"))
    assert torch.equal(gray[0], gray[1])
    assert not torch.equal(color[0], color[1])


def test_clouds_depend_on_the_seed_of_the_picture_alone() -> None:
    assert torch.equal(perlin_picture("mixed", 7, 2, (32, 32)), perlin_picture("mixed", 9, 0, (32, 32)))
    assert not torch.equal(perlin_picture("mixed", 7, 0, (32, 32)), perlin_picture("mixed", 8, 0, (32, 32)))


def test_clouds_are_smooth_unlike_noise() -> None:
    clouds = perlin_picture("gray", 7, 0, (64, 64))
    steps = (clouds[:, 1:] - clouds[:, :-1]).abs().mean()
    assert steps < 0.4 * clouds.std()
