"""What is written comes back as it was, however many signs that takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest, PromptError
from engine.requests.prompts import (
    MAX_PARTS,
    MAX_PROMPT,
    MAX_SOURCE,
    Prompt,
    format_prompts,
    parse_prompts,
    read_prompts,
)
from engine.requests.request import build_request, check_aims, request_from_json, request_to_json

TEXTS = st.text(st.sampled_from(":|: ab1\\-."), min_size=1, max_size=12).filter(str.strip).map(str.strip)
WEIGHTS = st.sampled_from([1.0, 2.0, 0.125, 99.5, 0.3333, 5e-5, -1e-7, 0.1234567]) | st.floats(0.001, 100)


PROMPTS = st.lists(st.builds(Prompt, text=TEXTS, weight=WEIGHTS), min_size=1, max_size=MAX_PARTS).map(tuple)


def aims(prompts: tuple[Prompt, ...]) -> bool:
    """Whether the weights add up to something."""
    return abs(sum(prompt.weight for prompt in prompts)) >= 1e-3


@given(PROMPTS.filter(aims))
def test_every_prompt_that_is_taken_is_taken_again_as_it_is_shown(prompts: tuple[Prompt, ...]) -> None:
    assert prompts == parse_prompts(format_prompts(prompts))


@pytest.mark.parametrize("sign", [":", "|"])
def test_the_longest_prompt_may_be_nothing_but_signs(sign: str) -> None:
    longest = (Prompt(text=sign * MAX_PROMPT, weight=0.33333),)

    assert longest == parse_prompts(format_prompts(longest))


@pytest.mark.parametrize("source", ["o" * (MAX_PROMPT + 1), "o" * 600 + "|" + "o" * 401, "o:1" + " " * MAX_SOURCE])
def test_more_words_are_refused_with_the_most(source: str) -> None:
    with pytest.raises(PromptError, match=rf"^The prompt has \d+ characters; the limit is {MAX_PROMPT}\.$"):
        parse_prompts(source)


@pytest.mark.parametrize(
    ("weight", "shown"),
    [(5e-5, "fog:0.00005"), (100, "fog:100"), (-0.3, "fog:-0.3"), (0.1234567, "fog:0.1234567"), (1, "fog")],
)
def test_weights_are_shown_as_they_may_be_typed(weight: float, shown: str) -> None:
    assert shown == format_prompts([Prompt(text="fog", weight=weight)])


@pytest.mark.parametrize(
    ("source", "read", "note"),
    [
        ("a red circle:1:0.5", "a red circle:1:0.5", ""),
        ("owl:-2:-1 | room 7 :3:0.25 | fog:0.5", "owl:-2:-1 | room 7 :3:0.25 | fog:0.5", ""),
        ("owl::2", "owl:2", ""),
        ("hot::2 | dog::-1", "hot:2 | dog:-1", ""),
        ("an owl at 10:30 | fog", "an owl at 10\\:30 | fog", "put a blank before the colon: “10 :30”"),
        ("owl 16:9", "owl 16\\:9", "“16:9” was read as words"),
        ("Psalm 23:4", "Psalm 23\\:4", "“23:4” was read as words"),
        ("room 101 :2", "room 101 :2", ""),
        ("room 101:0.5", "room 101 :0.5", ""),
        ("owl --ar 16:9", "owl --ar 16\\:9", "the size is an option, as in 512x288"),
        ("owl --no fog", "owl --no fog", "a part with a negative weight"),
        ("a (red:1.3) owl", "a (red\\:1.3) owl", "A weight ends a part: “red:1.3 | …”."),
        ("an owl – at night", "an owl – at night", ""),
    ],
)
def test_spellings_of_other_programs_are_read_or_said(source: str, read: str, note: str) -> None:
    reading = read_prompts(source)

    assert (parse_prompts(read), read) == (reading.prompts, format_prompts(reading.prompts))
    assert note in " ".join(reading.notes) and bool(note) == bool(reading.notes)


def test_a_weight_in_brackets_is_refused_with_what_to_write() -> None:
    with pytest.raises(PromptError, match=r"without brackets: “owl:1.3”"):
        parse_prompts("(owl:1.3)")


def test_nothing_but_negative_parts_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Every part has a negative weight"):
        check_aims(build_request("fog:-1 | rain:-0.5"))
    check_aims(build_request("owl", negative="fog | rain"))
    check_aims(build_request("fog:-0.5", target_image="0" * 64, method="vqgan_clip"))


def test_a_stored_request_with_a_huge_prompt_is_refused_shortly() -> None:
    stored = json.loads(request_to_json(build_request("an owl")))
    stored["prompts"][0]["text"] = "o" * 200_000

    with pytest.raises(InvalidRequest) as refused:
        request_from_json(json.dumps(stored))
    assert len(str(refused.value)) < 200
    stored["prompts"] = [{"text": "o", "image": "", "weight": 1.0}] * 100
    with pytest.raises(InvalidRequest):
        request_from_json(json.dumps(stored))


def test_a_stop_value_is_read_and_shown_as_it_may_be_typed() -> None:
    prompts = parse_prompts("owl:2:0.8 | room 101 :1:0.5 | fog:-0.5:-0.9 | sea:3")
    assert [0.8, 0.5, -0.9, None] == [prompt.stop for prompt in prompts]
    assert prompts == parse_prompts(format_prompts(prompts))
    with pytest.raises(PromptError, match="stop value 9 is too large; ±5 is the most"):
        parse_prompts("owl:2:9")
