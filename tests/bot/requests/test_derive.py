"""New requests from finished pictures."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.errors import Refused
from bot.models.job import JobState
from bot.requests.derive import again, variation
from bot.requests.format import form_of, settings_of, shell_command
from bot.requests.parse import parse_remix
from engine.errors import InvalidRequest, PromptError
from engine.requests.prompts import Prompt, format_prompts
from engine.requests.request import DreamRequest, build_request, parse_settings
from tests.bot.samples import done, enlarged, job

Parts: TypeAlias = list[tuple[str, float]]
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), min_size=1, max_size=30)


def test_again_draws_another_seed_and_changes_nothing_else() -> None:
    request = again(done("an owl"))

    assert isinstance(request, DreamRequest)
    assert 7 != request.seed
    assert done("an owl").request == request.model_copy(update={"seed": 7})


def test_what_has_failed_is_tried_as_it_was() -> None:
    failed = job(state=JobState.FAILED)

    assert failed.request == again(failed)


def test_an_upscale_that_failed_is_tried_as_it_was() -> None:
    assert enlarged().request == again(replace(enlarged(), state=JobState.FAILED, pictures=()))


def test_a_variation_is_one_picture_painted_over_the_chosen_one() -> None:
    request = variation(done(pictures=3), 2)

    assert (f"{2:064d}", 1, 7) == (request.init_image, request.count, request.options.skip_steps)  # type: ignore[union-attr]


def test_a_variation_of_a_method_without_steps_to_skip_starts_from_the_picture_all_the_same() -> None:
    request = variation(done(method="pixels"), 0)

    assert ("pixels", f"{0:064d}") == (request.method, request.init_image)


def test_there_is_no_variation_of_a_picture_that_is_not_there() -> None:
    with pytest.raises(Refused, match="This result has no image 3"):
        variation(done(pictures=2), 2)


def test_an_enlarged_picture_has_no_words_to_vary() -> None:
    with pytest.raises(Refused, match="upscaled picture"):
        variation(enlarged(), 0)


@given(WORDS, st.sampled_from([1.0, 2.0, 0.5, -0.5, -0.3, -1.0]), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_form_sent_back_unchanged_asks_for_the_same(words: str, weight: float, seed: int, count: int) -> None:
    text = words.replace("\\", "").replace("|", "").replace(":", "").strip() or "owl"
    request = build_request(f"an owl:3 | {text}:{weight}", seed=seed, count=count, settings={"eta": "0.5"})
    prompt, negative, settings = form_of(request)

    back = parse_remix(done(), prompt, negative, settings)

    assert sorted(request.prompts, key=repr) == sorted(back.prompts, key=repr)
    assert request.model_copy(update={"prompts": ()}) == back.model_copy(update={"prompts": ()})


PARTS = st.lists(
    st.tuples(st.sampled_from(["owl", "a fox", "16:9", "\\", "a|b"]), st.floats(-100, 100).map(lambda w: round(w, 5))),
    min_size=1,
    max_size=12,
)


@given(PARTS, PARTS)
def test_whatever_could_be_typed_comes_back_part_by_part(parts: Parts, negative: Parts) -> None:
    words = [format_prompts(Prompt(text=text, weight=weight) for text, weight in some) for some in (parts, negative)]
    try:
        request = build_request(words[0], negative=words[1], seed=7)
    except PromptError:  # weights that add up to nothing
        assume(False)

    prompt, less, _ = form_of(request)

    assert request == build_request(prompt, negative=less, seed=7)
    option = shlex.split(shell_command(request))
    less = option[option.index("--negative") + 1] if "--negative" in option else ""
    assert request.prompts == build_request(option[4], negative=less).prompts


def test_more_parts_than_a_prompt_may_have_are_shown_in_both_fields() -> None:
    request = build_request(" | ".join(["owl"] * 11 + ["fog:-0.5"]), negative=" | ".join(["people:0.7"] * 12), seed=7)

    prompt, negative, settings = form_of(request)

    assert ("fog:-0.5", "people:0.7") == (prompt.split(" | ")[-1], negative.split(" | ")[0])
    assert request == parse_remix(done(), prompt, negative, settings)


@pytest.mark.parametrize(
    "settings",
    [
        "sampler=plms order=4",
        "sampler=stsp order=3",
        "respacing=10,15,25",
        "cutouts=[12]*400+[4]*600 cut_kind=disco overview=[4]*2+[1]*3",
        "perceptors=primer+primer-grader:0.5 perlin=mixed",
        "profile=disco sampler=dpmpp_2m",
    ],
)
def test_options_of_every_kind_come_back_from_a_form(settings: str) -> None:
    request = build_request("an owl", seed=7, settings=parse_settings(settings))

    assert request == parse_remix(done(), *form_of(request))


def test_a_negative_prompt_comes_back_as_one() -> None:
    assert ("owl:2", "people", "size=256x256 steps=15 seed=7") == form_of(
        build_request("owl:2", negative="people", seed=7)
    )


@pytest.mark.parametrize("prompt", ["0: a seed | 0.4: a tree:2 | fog:-0.3", "snow | 0: a seed | 10: a tree"])
@pytest.mark.parametrize("negative", ["", "people | rain:2"])
def test_a_timeline_comes_back_from_a_form_whatever_it_avoids(prompt: str, negative: str) -> None:
    request = build_request(prompt, negative=negative, seed=7)

    assert request == parse_remix(done(), *form_of(request))


def test_other_negative_weights_stay_in_the_prompt() -> None:
    assert "owl:2 | people:-0.5" == form_of(build_request("owl:2 | people:-0.5"))[0]


def test_a_form_may_change_everything() -> None:
    request = parse_remix(done(), "a fox", "", "size=192x256 steps=9 count=2 method=pixels cutouts=8")

    assert ("pixels", 192, 256, 9, 2) == (
        request.method,
        request.width,
        request.height,
        request.options.steps,
        request.count,
    )


@pytest.mark.parametrize("settings", ["steps=many", "seed=-1", "count=1.5"])
def test_settings_that_are_no_whole_numbers_are_refused_by_name(settings: str) -> None:
    with pytest.raises(Refused, match=rf"{settings.partition('=')[0]} must be a whole number"):
        parse_remix(done(), "a fox", "", settings)


def test_a_seed_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="seed"):
        parse_remix(done(), "a fox", "", "seed=9999999999")


def test_a_remix_keeps_the_picture_that_the_original_started_from() -> None:
    request = build_request("an owl", init_image="f" * 64, settings={"skip_steps": "3"})

    child = parse_remix(done(request=request), "a fox", "", settings_of(request))

    assert ("f" * 64, 3) == (child.init_image, child.options.skip_steps)  # type: ignore[union-attr]


def test_another_method_is_named_in_the_form() -> None:
    assert "method=pixels" in settings_of(build_request("owl", method="pixels", seed=1))


@pytest.mark.parametrize("settings", ["sampler=ddpm", "perlin=mixed skip_steps=0", "eta=0.12345678"])
def test_what_an_option_brings_along_is_taken_back_by_name(settings: str) -> None:
    request = build_request("an owl", seed=7, settings=parse_settings(settings))

    assert request == parse_remix(done(), *form_of(request))
