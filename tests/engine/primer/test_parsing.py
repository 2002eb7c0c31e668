"""Captions read back as scenes."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import DreamError
from engine.primer.captions.captions import caption_pair, describe
from engine.primer.captions.parsing import UnpaintableCaption, parse_scene
from engine.primer.painter.scenes import Scene, Thing
from engine.primer.tasks.dataset import scene_at


def test_a_full_description_reads_back_as_its_scene() -> None:
    for i in range(2000):
        scene = scene_at(21, i)
        read = parse_scene(describe(scene))
        assert scene.things == read.things
        assert (scene.relation, scene.background, scene.place) == (read.relation, read.background, read.place)
        assert (scene.time, scene.style) == (read.time, read.style)


def test_every_caption_and_every_negative_can_be_read() -> None:
    for i in range(2000):
        scene = scene_at(22, i)
        for text in caption_pair(scene, np.random.default_rng(i)):
            assert len(scene.things) == len(parse_scene(text).things), text


@pytest.mark.parametrize(
    ("text", "scene"),
    [
        (
            "two green fish in the sea at sunset",
            Scene((Thing("fish", "green", 2),), place="sea", time="sunset"),
        ),
        (
            "a small yellow star above a red heart",
            Scene((Thing("star", "yellow", 1, "small"), Thing("heart", "red")), "above", ("white",)),
        ),
        ("red circle on blue", Scene((Thing("circle", "red"),), background=("blue",))),
        ("a watercolor owl", Scene((Thing("owl", "brown"),), background=("white",), style="watercolour")),
        ("a pine tree in the snow", Scene((Thing("pine", "green"),), place="snow", time="day")),
        (
            "a cat to the left of a house",
            Scene((Thing("cat", "orange"), Thing("house", "red")), "left of", ("white",)),
        ),
        ("a cat on top of a red house", Scene((Thing("cat", "orange"), Thing("house", "red")), "on", ("white",))),
        ("mountains", Scene(place="mountain", time="day")),
        ("a boat on a starry night", Scene((Thing("boat", "red"),), place="sea", time="night", extras=("starry",))),
        (
            "a house in a meadow with mountains and a yellow sun",
            Scene((Thing("house", "red"),), place="meadow", time="day", extras=("sun", "mountain")),
        ),
        ("the moon", Scene(place="sky", time="night", extras=("moon",))),
        ("an orange cross at the top", Scene((Thing("cross", "orange", position="top"),), background=("white",))),
    ],
)
def test_people_are_understood(text: str, scene: Scene) -> None:
    assert scene == parse_scene(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a green zeppelin in fog", "'zeppelin'"),
        ("a cat, a house, a dragon and a tree", "tree"),
        ("a cat in the sea in a forest", "forest"),
        ("a red green cat", "red and green"),
        ("a red moon over the sea", "red"),
        ("a cat on a blue background in the snow", "snow"),
        ("beside", "nothing to paint"),
        ("a background", "one colour"),
    ],
)
def test_what_cannot_be_placed_is_named(text: str, named: str) -> None:
    with pytest.raises(UnpaintableCaption, match=named):
        parse_scene(text)


def test_the_error_may_be_shown_to_people() -> None:
    assert issubclass(UnpaintableCaption, DreamError)
