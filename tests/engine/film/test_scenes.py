"""Scenes, their frames and their crossfades."""

from __future__ import annotations

import pytest

from engine.errors import PromptError
from engine.film.scenes import Story, read_story
from engine.requests.prompts import format_prompts


def told(story: Story, frames: range) -> list[str]:
    return [format_prompts(story.prompts_at(frame)) for frame in frames]


def test_scenes_share_the_film_and_fade_into_one_another() -> None:
    story = read_story("an owl:2 ^ fog | rain", 8, 1)

    assert [0, 4] == [scene.start for scene in story.scenes]
    assert ["an owl:2"] * 4 == told(story, range(4))
    assert ["an owl:0.5 | fog:0.25 | rain:0.25", "fog | rain", "fog | rain", "fog | rain"] == told(story, range(4, 8))


@pytest.mark.parametrize("fade", [0, 1, 3, 50])
def test_weights_of_a_crossfade_add_up_and_move_evenly(fade: int) -> None:
    story = read_story("an owl ^ a castle ^ snow", 12, fade)
    shares = [{p.text: p.weight for p in story.prompts_at(frame)} for frame in range(12)]

    assert all(sum(share.values()) == pytest.approx(1, abs=1e-5) for share in shares)
    rising = [share.get("a castle", 0.0) for share in shares[4:8]]
    within = min(fade, 4)
    assert [pytest.approx(min((i + 1) / (within + 1), 1), abs=1e-5) for i in range(4)] == rising
    assert "snow" not in shares[7] and "snow" in shares[8]


@pytest.mark.parametrize(
    "source", ["0: an owl | 6: a castle", '{0: "an owl", 6: "a castle"}', "0: an owl | 50%: a castle"]
)
def test_a_timeline_counts_frames(source: str) -> None:
    story = read_story(source, 12, 0)

    assert [(0, "an owl"), (6, "a castle")] == [(s.start, format_prompts(s.prompts)) for s in story.scenes]


def test_what_stands_before_the_timeline_is_in_every_scene() -> None:
    story = read_story("watercolour | 0: an owl | 6: a castle", 12, 0)

    assert ["watercolour | an owl", "watercolour | a castle"] == [format_prompts(s.prompts) for s in story.scenes]


def test_a_backslash_keeps_the_sign() -> None:
    (scene,) = read_story("2\\^8 owls", 4, 0).scenes

    assert "2^8 owls" == scene.prompts[0].text


@pytest.mark.parametrize(
    ("source", "sentence", "pointed"),
    [
        ("an owl ^ ^ fog", "A scene is empty", " ^ fog"),
        ("an owl ^ fog:1x", "“1x” is not a number", "1x"),
        ("an owl ^ 0: fog | 3: rain", "divided by ^ or by frames", "0: fog | 3: rain"),
        ("0: an owl | 12: fog", "Frame 12 is never reached: the film has 12 frames", "12: fog"),
        (" ^ ".join("abcdefghijklm"), "13 scenes are too many; the limit is 12", " m"),
    ],
)
def test_an_impossible_story_is_refused_at_its_character(source: str, sentence: str, pointed: str) -> None:
    with pytest.raises(PromptError) as refused:
        read_story(source, 12, 0)

    assert sentence in str(refused.value)
    assert pointed == source[refused.value.position :]
