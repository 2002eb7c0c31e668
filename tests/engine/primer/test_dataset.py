"""Captioned pictures in arrays: the same ones however they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from engine.primer.painter.scenes import COLOURS, KINDS, Domain
from engine.primer.tasks.dataset import Rendered, render, render_pair, scene_at
from engine.primer.vocabulary import CONTEXT, tokenise


def _same(one: Rendered, other: Rendered) -> bool:
    arrays = ("images", "tokens", "negatives", "labels", "colours")
    return one.captions == other.captions and all(np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays)


def test_pictures_do_not_depend_on_the_number_of_workers() -> None:
    assert _same(render(300, seed=4, size=16, workers=1), render(300, seed=4, size=16, workers=2))


def test_picture_i_does_not_depend_on_how_many_are_drawn() -> None:
    many, few = render(40, seed=4, size=32, workers=1), render(5, seed=4, size=32, workers=1, first=30)
    assert np.array_equal(many.images[30:35], few.images)
    assert many.captions[30:35] == few.captions


def test_another_seed_gives_other_pictures() -> None:
    assert not _same(render(5, seed=1, workers=1), render(5, seed=2, workers=1))


@pytest.mark.parametrize("domain", ["narrow", "full"])
def test_rows_belong_together(domain: Domain) -> None:
    drawn = render(200, seed=6, size=32, domain=domain, workers=1)
    assert (200, 32, 32, 3) == drawn.images.shape
    assert (200, CONTEXT) == drawn.tokens.shape == drawn.negatives.shape
    assert drawn.large is None
    for i, text in enumerate(drawn.captions):
        scene = scene_at(6, i, domain)
        assert tokenise(text) == drawn.tokens[i].tolist()
        single = len(scene.things) == 1 and scene.things[0].count == 1
        assert (KINDS.index(scene.things[0].kind) if single else -1) == drawn.labels[i]
        if single and scene.style != "ink":
            assert COLOURS.index(scene.things[0].colour) == drawn.colours[i]


def test_a_pair_shows_the_same_scene_at_two_sizes() -> None:
    pair = render_pair(6, seed=2, size=32, large=128, domain="narrow", workers=1)
    assert pair.large is not None
    assert (6, 128, 128, 3) == pair.large.shape
    reduced = pair.large.reshape(6, 32, 4, 32, 4, 3).mean(axis=(2, 4))
    assert np.abs(reduced - pair.images).mean() < 8
