"""Captions are short and true; their hard negatives are wrong in exactly one respect."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from engine.primer.captions.captions import MAX_WORDS, caption, caption_pair, describe
from engine.primer.captions.contradictions import contradict
from engine.primer.captions.wording import Plan, put
from engine.primer.painter.scenes import Scene, Thing
from engine.primer.tasks.dataset import scene_at
from engine.primer.vocabulary import tokenise, unknown_words

_ALL = Plan(frozenset({"colour", "background", "count", "articles", "relation", "style", "size", "position"}), 0)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Scene, str, str]]:
    """Scenes, their captions and their hard negatives."""
    scenes = [scene_at(8, i) for i in range(3000)]
    return [(scene, *caption_pair(scene, np.random.default_rng(i))) for i, scene in enumerate(scenes)]


def _differences(one: Scene, other: Scene) -> int:
    """In how many respects two scenes differ; two colours swapped are one respect."""
    if len(one.things) != len(other.things):
        return 99
    whole = {f.name for f in fields(Scene) if f.name not in ("things", "extras")}
    found = sum(getattr(one, name) != getattr(other, name) for name in whole)
    for a, b in zip(one.things, other.things, strict=True):
        found += sum(getattr(a, f.name) != getattr(b, f.name) for f in fields(Thing))
    colours = [sorted([*(t.colour for t in scene.things), *scene.background]) for scene in (one, other)]
    return found - 1 if found == 2 and colours[0] == colours[1] else found


def test_a_circle_on_a_background_is_said_as_people_say_it() -> None:
    scene = Scene((Thing("circle", "red"),), background=("blue",))
    assert "a red circle on blue" == put(scene, _ALL)
    assert "a red circle on a blue background" in {caption(scene, np.random.default_rng(i)) for i in range(60)}
    assert {"red circle", "circle"} & {caption(scene, np.random.default_rng(i)) for i in range(300)}


def test_articles_and_plurals_are_right() -> None:
    assert "an orange owl on grey" == put(Scene((Thing("owl", "orange"),), background=("grey",)), _ALL)
    assert "three blue butterflies on pink" == put(Scene((Thing("butterfly", "blue", 3),), background=("pink",)), _ALL)


def test_captions_are_short_and_every_word_is_known(pairs: list[tuple[Scene, str, str]]) -> None:
    for _, right, wrong in pairs:
        for text in (right, wrong):
            assert 1 <= len(text.split()) <= MAX_WORDS
            assert () == unknown_words(text)
            assert 2 < np.count_nonzero(tokenise(text))


def test_most_captions_name_the_thing_and_its_colour(pairs: list[tuple[Scene, str, str]]) -> None:
    singles = [(scene, text) for scene, text, _ in pairs if len(scene.things) == 1 and scene.style != "ink"]
    named = sum(scene.things[0].colour in text.split() for scene, text in singles)
    assert 0.75 < named / len(singles) < 0.98


def test_a_hard_negative_reads_differently_to_the_model(pairs: list[tuple[Scene, str, str]]) -> None:
    assert [] == [(right, wrong) for _, right, wrong in pairs if tokenise(right) == tokenise(wrong)]


def test_a_hard_negative_differs_in_exactly_one_respect(pairs: list[tuple[Scene, str, str]]) -> None:
    everything = Plan(frozenset({*_ALL.tells, "place", "time", "extras"}), 0)
    for i, (scene, _, _) in enumerate(pairs):
        other = contradict(scene, everything, np.random.default_rng(i))
        if scene.place == "space" and other.place != "space":
            continue  # leaving space takes its eternal night along
        assert 1 == _differences(scene, other), (describe(scene), describe(other))


def test_a_colour_swap_keeps_every_word() -> None:
    scene = Scene((Thing("circle", "red"),), background=("blue",))
    swaps = {caption_pair(scene, np.random.default_rng(i))[1] for i in range(80)}
    assert "a blue circle on a red background" in swaps


def test_the_first_of_a_pair_is_the_caption_of_the_same_generator_state() -> None:
    scene = scene_at(8, 1)
    assert caption(scene, np.random.default_rng(4)) == caption_pair(scene, np.random.default_rng(4))[0]
