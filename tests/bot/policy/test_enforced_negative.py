"""The negative prompt of a server: in every request, once, in all steps, and never silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Refused
from bot.models.comparison import Comparison, Way
from bot.models.job import Applied
from bot.policy.word_filter import ENFORCED, check_enforced, enforced
from engine.errors import DreamError
from engine.requests.request import NEGATIVE_WEIGHT, DreamRequest, build_request
from tests.bot.samples import enlarged, job

NEGATIVE = "text | blood:2"
ADDED = [("text", NEGATIVE_WEIGHT, None), ("blood", 2 * NEGATIVE_WEIGHT, None)]


def parts(request: DreamRequest) -> list[tuple[str, float, float | None]]:
    return [(prompt.text, prompt.weight, prompt.since) for prompt in request.prompts]


@given(
    st.sampled_from(["an owl", "an owl | fog:-0.5", "0: an owl | 0.5: a fox", "text", "blood:3"]),
    st.sampled_from(["", "text", "TEXT:5", "blood", "0.5: text", "fog | text"]),
)
def test_every_part_is_there_in_all_steps_and_a_second_time_changes_nothing(prompt: str, negative: str) -> None:
    try:
        asked = job(negative=negative, prompt=prompt)
    except DreamError:
        return  # cannot be asked for
    try:
        once = enforced(asked, NEGATIVE)
    except Refused as error:
        assert "This server always adds the negative prompt" in str(error)
        return

    assert isinstance(once.request, DreamRequest)
    for text, weight, _ in ADDED:
        same = [one for one in parts(once.request) if one[0].casefold() == text and one[1] <= weight and one[2] is None]
        assert 1 == len(same)
    assert once.request == enforced(once, NEGATIVE).request
    assert Applied(ENFORCED, NEGATIVE, "this server") in once.origin.applied


def test_all_ways_of_a_comparison_get_it_and_an_upscale_none() -> None:
    ways = tuple(Way(label=name, request=build_request("an owl", method=name)) for name in ("pixels", "clipdraw"))

    compared = enforced(job(request=Comparison(ways=ways)), NEGATIVE).request

    assert isinstance(compared, Comparison)
    assert [ADDED, ADDED] == [parts(way.request)[1:] for way in compared.ways]
    assert enlarged() == enforced(enlarged(), NEGATIVE)
    assert job() == enforced(job(), "")


def test_what_leaves_nothing_to_paint_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused, match=r"always adds the negative prompt “text \\\| blood\\:2”, which does not fit"):
        enforced(job("an owl:0.9"), NEGATIVE)


@pytest.mark.parametrize("negative", ["", "fog:-1", "a | b | c | d | e", "fog:", "a:1 | a:-1"])
def test_a_negative_prompt_of_a_server_is_checked_when_it_is_set(negative: str) -> None:
    with pytest.raises(DreamError):
        check_enforced(negative)
