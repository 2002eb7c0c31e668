from __future__ import annotations

import pytest

from engine.primer.vocabulary import CANONICAL, NOUNS, TOKEN, _near, closest, complete, unknown_sentence


@pytest.mark.parametrize(("word", "near"), [("dragn", "dragon"), ("elephnt", "elephant"), ("thanksgiving", "turkey")])
def test_a_misspelled_or_related_word_has_near_ones(word: str, near: str) -> None:
    assert near == closest(word)[0]


def test_a_word_like_none_has_no_near_one() -> None:
    assert () == closest("xyzzyx")
    assert "I don’t know “xyzzyx”." == unknown_sentence(["xyzzyx"])


def test_a_sentence_names_three_words_and_three_near_ones() -> None:
    sentence = unknown_sentence(["dragn", "elephnt", "guitr", "pizzza"])
    assert "I don’t know “dragn”, “elephnt”, “guitr” and more; closest: dragon, elephant, guitar." == sentence


def test_what_is_typed_is_completed_to_things() -> None:
    assert "dragon" in complete("dr")
    assert ("dog",) == complete("pupp")
    assert 25 == len(complete(""))


def test_related_words_are_unknown_and_lead_to_known_ones() -> None:
    related, neighbours = _near("related.txt"), _near("neighbours.txt")
    assert all(word not in CANONICAL for word in related)
    assert all(name in TOKEN for table in (related, neighbours) for names in table.values() for name in names)
    assert set(NOUNS) == set(neighbours)


def test_the_neighbours_of_the_nearest_fill_up() -> None:
    first, *others = closest("dragn")
    assert "dragon" == first
    assert others == list(_near("neighbours.txt")["dragon"][:2])


def test_every_form_reads_as_its_noun_after_a_colour_or_a_size() -> None:
    from engine.primer.vocabulary import TOPIC, split_terms

    leading = ("colours", "sizes", "numbers")
    for noun in NOUNS.values():
        for form in noun.forms:
            first, *rest = split_terms(form)[0].split()
            begins = TOPIC.get(CANONICAL.get(first, ""), "") in leading and " ".join(rest) in CANONICAL
            assert not begins or form == noun.name, form
