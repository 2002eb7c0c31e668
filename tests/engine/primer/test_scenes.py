"""What may be drawn by lot."""

from __future__ import annotations

from collections import Counter

import numpy as np

from engine.primer.painter.scenes import COLOURS, PLACES, RELATIONS, STYLES, TIMES, VECTOR_KINDS, Scene, sample_scene
from engine.primer.tasks.dataset import scene_at

_FULL = [scene_at(3, i, "full") for i in range(4000)]
_NARROW = [scene_at(3, i, "narrow") for i in range(2000)]


def _is_narrow(scene: Scene) -> bool:
    return scene.style == "plain" and not scene.relation and sum(thing.count for thing in scene.things) <= 1


def test_the_same_generator_gives_the_same_scene() -> None:
    assert sample_scene(np.random.default_rng(5), "full") == sample_scene(np.random.default_rng(5), "full")


def test_narrow_scenes_are_plain_and_hold_at_most_one_thing() -> None:
    assert all(_is_narrow(scene) for scene in _NARROW)


def test_most_of_the_full_domain_is_narrow() -> None:
    assert 0.55 < sum(map(_is_narrow, _FULL)) / len(_FULL) < 0.65


def test_everything_that_can_be_named_turns_up() -> None:
    kinds = Counter(thing.kind for scene in _NARROW for thing in scene.things)
    colours = Counter(thing.colour for scene in _NARROW for thing in scene.things)
    assert set(VECTOR_KINDS) == set(kinds)
    assert set(COLOURS) == set(colours)
    assert min(kinds.values()) > 20
    assert min(colours.values()) > 60
    assert set(STYLES) == {scene.style for scene in _FULL}
    assert {*RELATIONS, ""} == {scene.relation for scene in _FULL}
    assert {*PLACES, ""} == {scene.place for scene in _FULL}
    assert {*TIMES, ""} == {scene.time for scene in _FULL}
    assert {1, 2, 3, 4, 5} == {thing.count for scene in _FULL for thing in scene.things}


def test_a_thing_never_has_the_colour_of_what_is_behind_it() -> None:
    assert all(thing.colour not in scene.background for scene in _FULL for thing in scene.things)


def test_two_things_are_two_kinds_in_two_colours() -> None:
    pairs = [scene.things for scene in _FULL if len(scene.things) == 2]
    assert all(one.kind != other.kind and one.colour != other.colour for one, other in pairs)
