from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidRequest, PromptError
from engine.requests.schedule import MOST_ENTRIES, parse_schedule


def at(text: str, *timesteps: float) -> list[float]:
    schedule = parse_schedule(text)
    return [schedule.at(t) for t in timesteps]


def test_discos_schedule_holds_from_noise_to_picture() -> None:
    assert [12, 12, 4, 4] == at("[12]*400+[4]*600", 999, 600, 599, 0)


def test_every_entry_of_discos_thousand_is_where_disco_looks_it_up() -> None:
    unrolled = [12] * 400 + [4] * 200 + [2, 7] * 200
    schedule = parse_schedule("[12]*400 + [4]*200 + [2, 7]*200")
    assert unrolled == [schedule.at(t) for t in range(999, -1, -1)]


def test_fewer_entries_are_spread_over_the_walk() -> None:
    assert [1, 1, 2, 2, 3, 3] == at("[1]+[2]+[3]*2", 999, 750, 749, 500, 499, 0)


def test_a_plain_number_always_holds() -> None:
    assert [0.5, 0.5] == at("0.5", 999, 0)
    assert 0.5 == parse_schedule("0.5").plain


@pytest.mark.parametrize("text", ["12", "-0.5", "[12]*400+[4]*600", "[1,2]*3", "[0.2]*400+[0]*600"])
def test_what_is_read_is_written_as_it_was(text: str) -> None:
    assert text == str(parse_schedule(text))


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("[12]*400+4]*600", 9, "cuts, character 10: “\\[” is missing here"),
        ("[12]*", 5, "a count like 400 is expected here"),
        ("[12]*0", 5, "the minimum is 1"),
        ("[]*3", 1, "a number like 12 or 0.5 is expected here"),
        ("[1]*2[3]", 5, "this is not “\\+”"),
        ("__import__('os')", 0, "a number"),
        ("[12]*400+[4]*(600)", 13, "a count like 400 is expected here"),
        ("1e999", 0, "too large"),
        (f"[1]*{MOST_ENTRIES}+[1]", 0, "entries at most"),
        ("[1]" + "+[1]" * 200, 400, "400 characters at most"),
        ("4 4", 2, "this is not a number or a schedule"),
    ],
)
def test_mistakes_point_at_their_character(text: str, position: int, words: str) -> None:
    with pytest.raises(PromptError, match=words) as caught:
        parse_schedule(text, "cuts")
    assert (position, text) == (caught.value.position, caught.value.source)


@given(st.text(alphabet="[]*+,.-e0123456789 x", max_size=30))
def test_whatever_is_typed_is_read_or_refused_in_words(text: str) -> None:
    try:
        schedule = parse_schedule(text)
    except InvalidRequest:
        return
    assert schedule.at(999) in schedule.numbers
    assert schedule.at(0) in schedule.numbers


def test_a_mean_counts_every_entry() -> None:
    assert 7.2 == pytest.approx(parse_schedule("[12]*400+[4]*600").mean)
