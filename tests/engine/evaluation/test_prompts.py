"""The questions of the bench: held out, different, and honest about what they name."""

import pytest

from engine.errors import InvalidRequest
from engine.evaluation.prompts import (
    MODES,
    Judges,
    background_pair,
    domain_named,
    mode_settings,
    painted,
    questions,
    replacement,
)
from engine.primer.vocabulary import tokenise
from engine.requests.request import build_request
from engine.runtime.runtime import Runtime


def test_the_captions_of_a_group_all_differ_for_the_model() -> None:
    asked = questions(128)
    for start in (0, 64):
        assert len({tuple(tokenise(question.text)) for question in asked[start : start + 64]}) == 64


def test_questions_are_the_same_every_time() -> None:
    assert questions(64) == questions(64)


def test_a_kind_is_named_only_where_a_single_thing_is_shown_and_told() -> None:
    asked = questions(128)
    for question in asked:
        if question.kind:
            assert question.kind in question.text
            assert len(question.scene.things) == 1
    assert any(not question.kind for question in asked)


def test_real_pictures_are_those_of_the_scenes() -> None:
    pictures = painted(questions(64)[:3])
    assert [(64, 64)] * 3 == [picture.size for picture in pictures]


def test_groups_must_be_whole() -> None:
    with pytest.raises(InvalidRequest, match="100 captions do not make groups of 64; 64 do"):
        questions(100)


@pytest.mark.parametrize("name", MODES)
def test_every_mode_is_a_request_that_the_method_accepts(name: str) -> None:
    assert build_request("a red circle", settings=mode_settings(name), seed=1).method == "clip_diffusion"


def test_unknown_modes_and_domains_are_errors_in_words() -> None:
    with pytest.raises(InvalidRequest, match="no mode “magic”; available: default"):
        mode_settings("magic")
    with pytest.raises(InvalidRequest, match="no domain “huge”; available: tidy"):
        domain_named("huge")


def test_another_background_lowers_what_is_removed_more_than_what_is_wanted() -> None:
    for pair in map(background_pair, range(64)):
        assert pair.removed in pair.wanted and pair.removed not in pair.replaced
        assert pair.wanted.split()[:3] == pair.replaced.split()[:3]
    result = replacement(32, Judges(Runtime.open("cpu")))
    assert 0.05 < result.fall.value - result.fall.error
    assert 0.5 < result.kept < 0.95
