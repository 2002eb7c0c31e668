"""Questions about one respect, and figures that need no judge."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from engine.evaluation.figures import Share
from engine.evaluation.respects import RESPECTS, asked_about, lattice_share, roundness, total
from engine.primer.painter.scenes import is_held_out


@pytest.mark.parametrize("respect", RESPECTS)
def test_questions_have_their_respect_and_are_held_out(respect: str) -> None:
    asked = asked_about(respect, 6)
    assert 6 == len({question.text for question in asked})
    for question in asked:
        assert RESPECTS[respect](question.scene)
        assert is_held_out(question.scene, question.scene.things[0])


def test_a_caption_tells_the_respect() -> None:
    assert all("small" in question.text for question in asked_about("small", 4))
    for question in asked_about("pair", 4):
        assert all(thing.colour in question.text for thing in question.scene.things)


def test_stairs_lie_on_the_lattice_and_a_slanted_edge_does_not() -> None:
    rng = np.random.default_rng(0)
    stairs = Image.fromarray(rng.integers(0, 2, (8, 8, 1), np.uint8).repeat(3, 2) * 255).resize((32, 32), 0)
    assert 1 == lattice_share(stairs, 4).value
    y, x = np.mgrid[:256, :256]
    slanted = Image.fromarray(((x + 0.3 * y > 140) * 255).astype(np.uint8)[..., None].repeat(3, 2))
    assert 0.2 < lattice_share(slanted, 4).value < 0.3


def test_a_disc_is_rounder_than_a_square() -> None:
    y, x = np.mgrid[:256, :256]
    colours = np.array([[40, 90, 210], [220, 40, 50]], np.uint8)
    disc = Image.fromarray(colours[(np.hypot(x - 120.3, y - 130.7) < 80).astype(int)])
    square = Image.fromarray(colours[((abs(x - 128) < 80) & (abs(y - 128) < 80)).astype(int)])
    assert roundness(disc) < 0.5
    assert roundness(square) > 5
    assert np.isnan(roundness(Image.new("RGB", (64, 64), "blue")))


def test_shares_are_pooled() -> None:
    assert Share(3, 10) == total([Share(1, 4), Share(2, 6)])
