"""Words to ids: families, spellings, unknown words, and ids that never move."""

from __future__ import annotations

import subprocess
import sys

import pytest

from engine.primer.vocabulary import (
    CANONICAL,
    CONTEXT,
    END,
    GROUPS,
    KNOWN,
    PAD,
    START,
    TOKEN,
    VOCABULARY_SIZE,
    split_terms,
    split_words,
    surroundings,
    tokenise,
    unknown_words,
)


def test_a_text_becomes_start_words_end_and_padding() -> None:
    ids = tokenise("a red circle on a blue background")
    words = [TOKEN[word] for word in ("red", "circle", "on", "blue", "background")]
    assert [START, *words, END, *[PAD] * (CONTEXT - 7)] == ids


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("crimson", "red"),
        ("gray", "grey"),
        ("a watercolor of the ocean", "watercolour of sea"),
        ("Two OWLS!", "2 owl"),
        ("a golden star", "yellow stars"),
    ],
)
def test_synonyms_spellings_and_plurals_share_their_tokens(one: str, other: str) -> None:
    assert tokenise(other) == tokenise(one)


def test_word_order_is_kept() -> None:
    assert tokenise("a red circle on blue") != tokenise("a blue circle on red")


def test_unknown_words_are_named_once_in_order_and_dropped_from_the_ids() -> None:
    text = "a zeppelin by the Sea, a ZEPPELIN of glass"
    assert ("zeppelin", "glass") == unknown_words(text)
    assert [START, TOKEN["sea"], TOKEN["of"], END] == tokenise(text)[:4]


def test_a_text_that_is_too_long_still_ends() -> None:
    ids = tokenise("red " * 100)
    assert CONTEXT == len(ids)
    assert END == ids[-1]


def test_nothing_is_start_and_end() -> None:
    assert [START, END] == tokenise("")[:2]
    assert () == unknown_words("")


def test_ids_that_shipped_never_move() -> None:
    shipped = {"red": 3, "grey": 14, "circle": 15, "owl": 23, "robot": 40, "sea": 47, "night": 58, "ink": 78, "of": 86}
    assert shipped == {word: TOKEN[word] for word in shipped}
    assert 84 <= len(TOKEN)
    assert max(TOKEN.values()) < VOCABULARY_SIZE


def test_no_word_belongs_to_two_families() -> None:
    from engine.primer.vocabulary import _FAMILIES

    forms = [word for _, family in _FAMILIES for word in family.split()]
    assert sorted(set(forms)) == sorted(forms)


def test_what_it_knows_is_listed_by_topic() -> None:
    assert 12 == len(KNOWN["colours"])
    assert 8 == len(KNOWN["shapes"])
    assert "owl" in KNOWN["things"]
    assert all(CANONICAL[" ".join(split_words(word))] == word for words in KNOWN.values() for word in words)
    assert 683 == sum(len(KNOWN[group]) for group in GROUPS)


def test_the_longest_phrase_is_one_term() -> None:
    assert ["two", "polar bears", "and", "a", "hot dog"] == split_terms("two Polar Bears, and a hot-dog")
    assert tokenise("a T-Rex") == tokenise("dinosaur")
    assert ("polar",) == unknown_words("a polar car")


def test_surroundings_leave_out_nouns_and_what_belongs_to_them() -> None:
    assert "a beside a red house at night" == surroundings("a small blue dragon beside a red house at night")
    assert "a" == surroundings("pizza")


def test_the_vocabulary_needs_neither_numpy_nor_pillow_nor_torch() -> None:
    code = "import sys, engine.primer.vocabulary\nassert not {'numpy', 'PIL', 'torch'} & set(sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
