"""Blocked words are found in any letters, and no other word is."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import BlockedWords
from bot.policy.server_rules import NOWHERE, PromptLineage, ServerRules
from bot.policy.word_filter import CRUEL, MINORS, SEXUAL, first_found, fold, is_mature
from engine.primer.captions.captions import caption
from engine.primer.tasks.dataset import scene_at


def contains(text: str, phrase: str) -> bool:
    return bool(first_found((text,), (phrase,)))


@pytest.mark.parametrize(
    "text",
    [
        "nude", "a NUDE.", "nude!", "a nude, standing", "nüdé", "nu​de", "nu­de", "n‮u‬de", "ＮＵＤＥ", "𝓷𝓾𝓭𝓮",
        "nυdе", "nud3", "n.u.d.e", "n u d e", "nu-de", "nu_de", "_nude_", "**nude**", "nuuuude", "ⓝⓤⓓⓔ",
    ],
)  # fmt: skip
def test_a_word_is_found_in_disguise(text: str) -> None:
    assert contains(text, "nude")


@pytest.mark.parametrize(
    "text",
    [
        "ɴᴀᴋᴇᴅ", "🅽🅰🅺🅴🅳", "🄽🄰🄺🄴🄳", "🅝🅐🅚🅔🅓", "🇳🇦🇰🇪🇩", "⒩⒜⒦⒠⒟", "ⓝⓐⓚⓔⓓ", "ｎａｋｅｄ", "𝕟𝕒𝕜𝕖𝕕", "ⁿᵃᵏᵉᵈ", "n̶a̶k̶e̶d̶",
        "na ked", "nak ed", "n aked", "n a k e d", "n-a-k-e-d", "na-ked", "na/ked", "n.a ked", "nnaked", "naaked",
        "nakked", "nakeedd",
        "naaaakkked", "ոaked", "nаkеd", "ηaκed", "nɑked", "na𝗄ed", "nåkéđ", "ɲaked", "ƞaked", "n4ked",
        "n@ked", "n4k3d", "(n)(a)(k)(e)(d)", "n\u200ba\u2060ked", "N A K E D", "n*a*k*e*d", "ᴺᴬᴷᴱᴰ", "𝖓𝖆𝖐𝖊𝖉", "NAKED's",
    ],
)  # fmt: skip
def test_naked_is_found_in_more_disguises(text: str) -> None:
    assert contains(f"an owl, {text}, at night", "naked"), fold(text)


@pytest.mark.parametrize(
    "texts", [("na", "ked"), ("an owl na", "ked by the sea"), ("n", "a", "k", "e", "d"), ("nu de",)]
)
def test_a_word_split_over_parts_is_found(texts: tuple[str, ...]) -> None:
    assert is_mature(texts)


def test_a_phrase_split_over_parts_is_found() -> None:
    assert "red hot owl" == first_found(("a red", "hot owl"), ("red hot owl",))


ORDINARY = """
a car pet in a garden | Bob's ex libris stamp | it's exciting | an ex on a map | Essex road at dusk
a sextant and a map | Scunthorpe station | kidney beans | Captain Kidd's ship | a gorilla in mist
Al Gore giving a talk at a podium, 1990s photo | go re-enact a battle | a min or two before dawn
to get her home | in fantasy style | te quiero, in neon | ten owls and a fox | new dell, denuded hills
a nu metal band on stage | la de da | a good boot in a pool | later, a latter-day castle
diner at dinner | super supper | an oil painting by Da Vinci | U S A flag | N.Y.C. skyline
a b c of animals | x y z axes | 3 d render of a c n tower | po rn | a tor on a hill, Tor Ture region
hen and tai chi master | s e a side | e r o s statue | St. Ives | Dr. No | J. R. R. Tolkien
sea-food, sun-set, re-do | co-op | e-ink | t-shirt | x-ray of a hand | o'clock | rock 'n' roll
Ms. Pac-Man | h t t p | Mt. Fuji | dans le jardin, un chat | el gato en la luna | der Hund am See
en by på fjellet | рисует кошка | 夜の猫 | kid-friendly picnic | bare trees | bare mountain | a skinny tree
cute as a button | classic car | bass guitar | cocktail glass | Dickensian street
""".replace("\n", " | ").split(" | ")
EXPECTED = {"Al Gore giving a talk at a podium, 1990s photo", "po rn", "kid-friendly picnic"}
"""Words of the lists in ordinary clothes, and one split that is meant to be found."""


def test_ordinary_prompts_raise_no_alarm() -> None:
    captions = (caption(scene_at(8, index), np.random.default_rng(index)) for index in range(300))
    listed = (*SEXUAL, *CRUEL, *MINORS, "carpet", "together", "minute", "cannot", "hotel")

    found = {text: hit for text in (*filter(None, ORDINARY), *captions) if (hit := first_found((text,), listed))}

    assert EXPECTED == set(found), found


def test_a_server_word_is_refused_in_disguise_too() -> None:
    rules = ServerRules.read({"words": [{"phrase": "kraken"}]})

    with pytest.raises(BlockedWords, match="kraken"):
        rules.check_words(PromptLineage(("a ᴋʀᴀᴋᴇɴ",)), NOWHERE)


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
    st.text(ascii_lowercase, min_size=3, max_size=8),
    st.integers(0, 7),
    st.sampled_from("\u200b\u200d\u00ad\u2060\ufe0f\u034f\u3164\u2800\U000e0101"),
)
def test_what_cannot_be_seen_hides_nothing(word: str, place: int, invisible: str) -> None:
    place = min(place, len(word))
    assert contains(f"a {word[:place]}{invisible}{word[place:]} b", word)
