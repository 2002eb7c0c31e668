"""Words are found in whatever letters they come, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.policy.word_filter import contains, fold


@pytest.mark.parametrize(
    "text",
    [
        "nude", "a NUDE.", "nude!", "a nude, standing", "nüdé", "nu​de", "nu­de", "n‮u‬de", "ＮＵＤＥ", "𝓷𝓾𝓭𝓮",
        "nυdе", "nud3", "n.u.d.e", "n u d e", "nu-de", "nu_de", "_nude_", "**nude**", "nuuuude", "ⓝⓤⓓⓔ",
    ],
)  # fmt: skip
def test_a_word_is_found_in_disguise(text: str) -> None:
    assert contains(text, "nude")


@pytest.mark.parametrize("text", ["denuded hills", "nudes", "new dell", "", "a fox", "n u", "nude1"])
def test_only_whole_words_count(text: str) -> None:
    assert not contains(text, "nude")


def test_a_phrase_is_words_that_follow_each_other() -> None:
    assert contains("The  Red-Hot\nowl at night", "red hot owl")
    assert not contains("red owl, hot", "red hot owl")
    assert not contains("infrared hot owls", "red hot owl")


def test_other_scripts_have_words_too() -> None:
    assert contains("рисует кошка ночью", "кошка")
    assert contains("夜の 猫", "猫")


def test_an_empty_phrase_is_found_nowhere() -> None:
    assert not any(contains("anything", phrase) for phrase in ("", " ", "​", "…"))


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=40))
def test_every_text_that_has_a_word_contains_itself(text: str) -> None:
    assert contains(text, text) == any(char.isalnum() for char in fold(text))


@given(
    st.from_regex(r"[a-z]{3,8}", fullmatch=True),
    st.integers(0, 7),
    st.sampled_from("\u200b\u200d\u00ad\u2060\ufe0f\u034f\u3164\u2800\U000e0101"),
)
def test_what_cannot_be_seen_hides_nothing(word: str, place: int, invisible: str) -> None:
    place = min(place, len(word))
    assert contains(f"a {word[:place]}{invisible}{word[place:]} b", word)
