"""What is written comes back as it was, however many signs that takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.errors import InvalidRequest, PromptError
from engine.requests.prompts import (
    MAX_PARTS,
    MAX_PROMPT,
    MAX_SOURCE,
    Prompt,
    format_prompts,
    in_order,
    parse_prompts,
    phases_of,
    read_prompts,
)
from engine.requests.request import build_request, check_aims, request_from_json, request_to_json

TEXTS = st.text(st.sampled_from(":|: ab1\\-.：｜−"), min_size=1, max_size=12).filter(str.strip).map(str.strip)
WEIGHTS = st.sampled_from([1.0, 2.0, 0.125, 99.5, 0.3333, 5e-5, -1e-7, 0.1234567]) | st.floats(0.001, 100)


PROMPTS = st.lists(st.builds(Prompt, text=TEXTS, weight=WEIGHTS), min_size=1, max_size=MAX_PARTS).map(tuple)
TIMELINES = st.lists(
    st.builds(Prompt, text=TEXTS, weight=WEIGHTS, since=st.sampled_from([None, 0.0, 0.25, 0.5])), min_size=1, max_size=6
).map(in_order)


def aims(prompts: tuple[Prompt, ...]) -> bool:
    """Whether the weights add up to something."""
    return abs(sum(prompt.weight for prompt in prompts)) >= 1e-3


def by_phase(prompts: tuple[Prompt, ...]) -> list[tuple[Prompt, ...]]:
    return [phase.prompts for phase in phases_of(prompts)]


@given(PROMPTS.filter(aims))
def test_every_prompt_that_is_taken_is_taken_again_as_it_is_shown(prompts: tuple[Prompt, ...]) -> None:
    assert prompts == parse_prompts(format_prompts(prompts))


@given(TIMELINES.filter(lambda prompts: any(p.since == 0 for p in prompts) and all(map(aims, by_phase(prompts)))))
def test_every_timeline_that_is_taken_is_taken_again_as_it_is_shown(prompts: tuple[Prompt, ...]) -> None:
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
        ("an owl at 10:30 | fog", "an owl at 10\\:30 | fog", "put a space before the colon: “10 :30”"),
        ("owl 16:9", "owl 16\\:9", "“16:9” was read as words"),
        ("Psalm 23:4", "Psalm 23\\:4", "“23:4” was read as words"),
        ("room 101 :2", "room 101 :2", ""),
        ("room 101:0.5", "room 101 :0.5", ""),
        ("owl --ar 16:9", "owl --ar 16\\:9", "the size is an option, as in 512x288"),
        ("owl --no fog", "owl --no fog", "a part with a negative weight"),
        ("a (red:1.3) owl", "a (red\\:1.3) owl", "Put a weight at the end of its part: “red:1.3 | …”."),
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
    with pytest.raises(PromptError, match="stop value 9 is too large; the limit is ±5"):
        parse_prompts("owl:2:9")


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("0: a seed | 400: a tree", "0: a seed | 400: a tree"),
        ("0: a seed:2 | fog:-0.5 | 40%: a tree", "0: a seed:2 | fog:-0.5 | 0.4: a tree"),
        ("400: a tree | 0: a seed | snow", "0: a seed | snow | 400: a tree"),
        ("watercolour | 0: a seed | 0.5: a tree", "watercolour | 0: a seed | 0.5: a tree"),
        ('{0: "a seed", 400: "a tree"}', "0: a seed | 400: a tree"),
        ("{0: ['a seed:2', 'fog:-1'], 10: [“a tree | sun”],}", "0: a seed:2 | fog:-1 | 10: a tree | sun"),
        ('0: ["a seed"], 10: ["a tree"]', "0: a seed | 10: a tree"),
        ('0: "a seed", 10: "a tree"', "0: a seed | 10: a tree"),
        ("0\\: a seed | 5", "0\\: a seed | 5"),
        ("0: 5", "0 :5"),
        ("{red, blue} owl", "{red, blue} owl"),
    ],
)
def test_a_timeline_is_read_in_every_spelling(source: str, read: str) -> None:
    reading = read_prompts(source)

    assert (read, ()) == (format_prompts(reading.prompts), reading.notes)
    assert reading.prompts == parse_prompts(read)


@pytest.mark.parametrize(
    ("source", "sentence", "pointed"),
    [
        ('{0: "a seed" 400: "a tree"}', "“}”, or a comma and the next step, is missing here", '400: "a tree"}'),
        ('{0: "a seed", 400: a tree}', "a text in quotes is missing here", "a tree}"),
        ('{0: "a seed', 'the closing " is missing', '"a seed'),
        ('{0: "a seed", tree: "a tree"}', "a step and a colon are missing here", 'tree: "a tree"}'),
        ('{0: ["a seed", "fog"}', "“]”, or a comma and the next text, is missing here", "}"),
        ('{0: "a seed"} and more', "nothing can follow here", "and more"),
        ("0: a seed | 100%: a tree", "100% leaves no steps", "100%: a tree"),
        ("0: a seed | 1.5: a tree", "neither a step like 40 nor a share like 0.4", "1.5: a tree"),
        ("0: a seed | 0.5: a tree | 20: fog", "Steps and shares of the steps do not mix", "0.5: a tree | 20: fog"),
        ('{0: "a seed", 4: "fog:x2"} '.replace("x2", "2x"), "“2x” is not a number", '2x"} '),
        ('{0: "a seed", 100001: "fog"}', "Step 100001 is too large; the limit is 100000", '100001: "fog"}'),
        ('{4: "a tree"}', "The timeline says nothing about step 0", '{4: "a tree"}'),
        ("0: a seed | 5: fog:1 | rain:-1", "The weights from 5 on add up to zero", "0: a seed | 5: fog:1 | rain:-1"),
    ],
)
def test_a_broken_timeline_is_refused_at_its_character(source: str, sentence: str, pointed: str) -> None:
    with pytest.raises(PromptError) as refused:
        parse_prompts(source)

    assert sentence in str(refused.value)
    assert pointed == source[refused.value.position :]


def test_a_comma_may_end_a_list_of_texts() -> None:
    assert parse_prompts('{0: ["a seed", "fog"]}') == parse_prompts('{0: ["a seed", "fog",]}')


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "owl", "image": "0" * 64}, "either a text or a picture"),
        ({}, "either a text or a picture"),
        ({"text": "owl", "since": 1.5}, "a whole step or at a share below 1"),
    ],
)
def test_a_stored_prompt_with_invalid_fields_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Prompt.model_validate(fields)


def test_a_number_before_a_title_is_no_timeline_and_said_so() -> None:
    reading = read_prompts("2001: A Space Odyssey")

    assert ("2001: A Space Odyssey",) == tuple(prompt.text for prompt in reading.prompts)
    assert "“2001: …” was read as words" in reading.notes[0]


def test_a_step_that_is_never_reached_is_refused_at_its_number() -> None:
    source = "0: a seed | 400: a tree"
    with pytest.raises(PromptError, match="Step 400 is never reached: there are 15 steps") as refused:
        build_request(source)

    assert "400: a tree" == source[refused.value.position :]
    request = build_request(source, steps=500, negative="fog")
    assert [None, 0, 400] == [prompt.since for prompt in request.prompts]
    assert request == request_from_json(request_to_json(request))


def test_a_negative_prompt_has_no_timeline() -> None:
    with pytest.raises(PromptError, match="A negative prompt holds in all steps"):
        build_request("an owl", negative="0: fog | 5: rain")
    with pytest.raises(InvalidRequest, match="Every part has a negative weight"):
        check_aims(build_request("0: an owl | 5: fog:-1"))


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("猫：2｜犬", "猫:2 | 犬"),
        ("猫￨犬:-1.5", "猫 | 犬:-1.5"),
        ("owl:−0.5 | fog", "owl:-0.5 | fog"),
        ("owl:–0.5 | fog", "owl:-0.5 | fog"),
        ("owl ：－0.5 | fog", "owl:-0.5 | fog"),
        ("owl:１．５", "owl:1.5"),
        ("owl:−2:−0.5", "owl:-2:-0.5"),
        ("owl:2\u200b", "owl:2"),
        ("\u200fowl:\u200b2\u200e | \ufefffog", "owl:2 | fog"),
    ],
)
def test_signs_that_look_alike_mean_the_same(source: str, plain: str) -> None:
    assert parse_prompts(source) == parse_prompts(plain)


@pytest.mark.parametrize("words", ["猫：一只", "上午10：30", "1990–1995", "owl\\：2", "👩‍🚀", "ends：", "a −5"])
def test_the_same_signs_may_be_words(words: str) -> None:
    (prompt,) = parse_prompts(words)

    assert (prompt.text, prompt.weight) == (words.replace("\\", ""), 1)
    assert parse_prompts(format_prompts([prompt])) == (prompt,)


@pytest.mark.parametrize("source", ["\u200b", "\u200e \u2060", "owl | \u200b"])
def test_signs_without_a_shape_are_no_prompt(source: str) -> None:
    with pytest.raises(PromptError):
        parse_prompts(source)


def test_bytes_that_are_no_text_are_refused_in_words() -> None:
    with pytest.raises(PromptError, match="Character 4 is not valid text") as caught:
        parse_prompts(b"owl\xff".decode("utf-8", "surrogateescape"))

    assert caught.value.position == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("owl::2 tree::1", "“owl::2”"),
        ("owl:2; tree:1", "“owl:2”"),
        ("a fox:1.5, tree", "“fox:1.5”"),
        ("hot:: dog", "“hot::”"),
        ("[red|blue] owl", "“[red|blue]”"),
        ("{red|blue} owl", "“{red|blue}”"),
        ("((owl)), tree", "“((owl))”"),
        ("(owl)1.2", "“(owl)1.2”"),
        ("(owl)++ tree", "“(owl)++”"),
        ("[owl:cat:0.5] tree", "“[owl:cat:0.5]”"),
        ("<lora:ink:0.8> owl", "adapter"),
        ("owl BREAK tree", "“BREAK”"),
        ("owl AND tree", "“AND”"),
        ("https://example.org/owl.png in fog", "init"),
        ("owl –ar 16x9", "size"),
        ("0:a seed|400:a tree", "“0:”"),
    ],
)
def test_spellings_of_other_programs_are_pointed_out(source: str, said: str) -> None:
    assert said in " ".join(read_prompts(source).notes)


@pytest.mark.parametrize(
    "source",
    [
        " ".join(f"owl{number}:1" for number in range(110)) + " tree",
        "https://a.b/" + "x" * 900,
        "--ab " * 190,
        f"[{'a' * 70}|{'b' * 70}]",
    ],
)
def test_notes_stay_few_and_short(source: str) -> None:
    notes = read_prompts(source).notes

    assert 0 < len(notes) <= 9
    assert max(map(len, notes)) < 250


@pytest.mark.parametrize(
    "source",
    [
        "a fox (red) [sketch]",
        "at 10:30 in fog",
        "Blade Runner: 2049 in fog",
        "CATS AND DOGS",
        "fish & chips; beer",
        '{0: "a seed | fog", 400: ["a tree:2", "fog:-0.5"]}',
        "owl:2 | tree:1",
        "A+B, 1-2",
    ],
)
def test_plain_words_are_not_commented_on(source: str) -> None:
    assert not read_prompts(source).notes
