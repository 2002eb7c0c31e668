from __future__ import annotations

import pytest

from engine.catalogue.models import MODELS
from engine.errors import InvalidRequest, PromptError
from engine.perceptors.perceptor_loader import cut_short, readable, says_something, understood
from engine.requests.prompts import parse_prompts
from engine.requests.request import build_request
from tests.engine.tiny import tiny_perceptor

TITLE = "the small model"


def test_known_words_need_no_note() -> None:
    prompts = parse_prompts("a watercolor owl at night | fog:-0.3")
    assert (prompts, ()) == understood(prompts, TITLE)


def test_unknown_words_are_named_once_beside_known_ones() -> None:
    prompts = parse_prompts("a cyberpunk owl by Dali | cyberpunk fog")
    kept, (note,) = understood(prompts, TITLE)
    assert prompts == kept
    assert note == "I don’t know “cyberpunk” and “dali”."


def test_a_part_that_says_nothing_is_left_out() -> None:
    kept, notes = understood(parse_prompts("an owl | zeppelin"), TITLE)
    assert (["an owl"], 1) == ([p.text for p in kept], len(notes))


def test_a_prompt_that_says_nothing_is_refused_with_the_words_that_would() -> None:
    with pytest.raises(InvalidRequest, match=r"I don’t know “cyberpunk” and “zeppelin”.* Known words: colours \(red, "):
        understood(parse_prompts("cyberpunk zeppelin"), TITLE)


def test_what_is_left_must_still_aim_at_something() -> None:
    with pytest.raises(PromptError, match="add up to zero"):
        understood(parse_prompts("an owl | fog:-1 | zeppelin:2"), TITLE)


def test_stop_words_alone_say_nothing() -> None:
    assert (True, False) == (says_something("the owl"), says_something("a very nice picture"))


def test_a_target_picture_is_a_prompt_of_its_own() -> None:
    request = build_request("an owl", target_image="f" * 64)
    prompts, _ = readable(request, MODELS["primer"])
    assert ["an owl", ""] == [p.text for p in prompts]
    assert "f" * 64 == prompts[1].image


def test_what_is_too_long_to_be_read_is_named() -> None:
    most = "red owl " * 11
    assert () == cut_short(parse_prompts(f"{most} | a house of the unheard"), [tiny_perceptor()])
    (note,) = cut_short(parse_prompts(f"{most} | {most} beside a purple castle"), [tiny_perceptor()] * 2)
    assert note.startswith(
        "A part of the prompt is too long to be read to its end; left out was “beside a purple castle”."
    )
    (note,) = cut_short(parse_prompts(f"{most} {'green boat ' * 30}"), [tiny_perceptor()])
    assert "green boat …”" in note


def test_a_refusal_does_not_name_words_that_are_avoided() -> None:
    with pytest.raises(InvalidRequest, match=r"^I don’t know “cyberpunk”\."):
        understood(parse_prompts("cyberpunk | zeppelin:-0.3"), TITLE)
