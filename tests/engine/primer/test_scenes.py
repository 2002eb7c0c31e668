"""Randomly sampled scenes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine.primer.painter.scenes import COLOURS, PLACES, RELATIONS, STYLES, TIMES, VECTOR_KINDS, Scene, sample_scene
from engine.primer.tasks.dataset import scene_at


@pytest.fixture(scope="module")
def full() -> list[Scene]:
    return [scene_at(3, i, "full") for i in range(4000)]


@pytest.fixture(scope="module")
def narrow() -> list[Scene]:
    return [scene_at(3, i, "narrow") for i in range(2000)]


def _is_narrow(scene: Scene) -> bool:
    return scene.style == "plain" and not scene.relation and sum(thing.count for thing in scene.things) <= 1


def test_the_same_generator_gives_the_same_scene() -> None:
    assert sample_scene(np.random.default_rng(5), "full") == sample_scene(np.random.default_rng(5), "full")


def test_narrow_scenes_are_plain_and_hold_at_most_one_thing(narrow: list[Scene]) -> None:
    assert all(_is_narrow(scene) for scene in narrow)


def test_most_of_the_full_domain_is_narrow(full: list[Scene]) -> None:
    assert 0.55 < sum(map(_is_narrow, full)) / len(full) < 0.65


def test_everything_that_can_be_named_turns_up(full: list[Scene], narrow: list[Scene]) -> None:
    kinds = Counter(thing.kind for scene in narrow for thing in scene.things)
    colours = Counter(thing.colour for scene in narrow for thing in scene.things)
    assert set(VECTOR_KINDS) == set(kinds)
    assert set(COLOURS) == set(colours)
    assert min(kinds.values()) > 20
    assert min(colours.values()) > 60
    assert set(STYLES) == {scene.style for scene in full}
    assert {*RELATIONS, ""} == {scene.relation for scene in full}
    assert {*PLACES, ""} == {scene.place for scene in full}
    assert {*TIMES, ""} == {scene.time for scene in full}
    assert {1, 2, 3, 4, 5} == {thing.count for scene in full for thing in scene.things}


def test_a_thing_never_has_the_colour_of_what_is_behind_it(full: list[Scene]) -> None:
    assert all(thing.colour not in scene.background for scene in full for thing in scene.things)


def test_two_things_are_two_kinds_in_two_colours(full: list[Scene]) -> None:
    pairs = [scene.things for scene in full if len(scene.things) == 2]
    assert all(one.kind != other.kind and one.colour != other.colour for one, other in pairs)
