"""Win rates: which values are compared, how often each won, and which pair comes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.community.insights import decidedness, duels_of, insight_embed
from bot.models.vote import Candidate, Duel, Trait, Vote, VotePlace

VALUES = st.sampled_from(["ink", "oil", "Ink ", "fog"])


def vote(*candidates: tuple[tuple[Trait, ...], int]) -> Vote:
    """A closed vote of (traits, ballots)."""
    stood = tuple(Candidate("job", i, 1, "", traits, i) for i, (traits, _) in enumerate(candidates))
    counts = {i: ballots for i, (_, ballots) in enumerate(candidates)}
    return Vote("v", VotePlace(1, 2), 4, "", False, False, False, 0, 0, stood, is_open=False, counts=counts)


def test_two_values_that_differ_in_nothing_else_are_compared() -> None:
    ink, oil = ("style", "ink"), ("style", "oil")
    found = duels_of([vote(((ink,), 3), ((oil,), 1)), vote(((("style", "Ink"),), 2), ((oil,), 4))])

    assert [Duel("style", "ink", "oil", 5, 5)] == found


def test_of_a_crossed_grid_every_row_and_column_counts_once() -> None:
    red, blue, few, many = ("prompt", "red"), ("prompt", "blue"), ("steps", "10"), ("steps", "50")
    grid = vote(((red, few), 4), ((red, many), 3), ((blue, few), 2), ((blue, many), 0))

    assert {Duel("prompt", "red", "blue", 7, 2), Duel("steps", "10", "50", 6, 3)} == set(duels_of([grid]))


def test_pictures_that_differ_in_two_respects_say_nothing() -> None:
    assert [] == duels_of([vote(((("prompt", "red"), ("steps", "10")), 4), ((("prompt", "blue"), ("steps", "50")), 1))])
    assert [] == duels_of([vote(((("prompt", "red"),), 4), ((("prompt", "red"),), 1))])


def test_the_most_decided_pair_comes_first() -> None:
    def pair(one: str, other: str, wins: int, losses: int) -> Vote:
        return vote(((("style", one),), wins), ((("style", other),), losses))

    found = duels_of([pair("a", "b", 1, 0), pair("c", "d", 14, 5), pair("e", "f", 40, 0), pair("g", "h", 3, 3)])

    assert [(40, 0), (14, 5), (1, 0), (3, 3)] == [(one.wins, one.losses) for one in found]


@given(st.lists(st.tuples(VALUES, st.integers(0, 50)), min_size=2, max_size=6))
def test_no_pair_appears_twice_and_the_winner_is_first(stood: list[tuple[str, int]]) -> None:
    found = duels_of([vote(*(((("style", value),), ballots) for value, ballots in stood))])

    assert all(one.wins >= one.losses and one.wins + one.losses > 0 for one in found)
    assert len(found) == len({frozenset((one.winner.casefold(), one.loser.casefold())) for one in found})


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_decidedness_is_a_share_that_more_wins_raise(wins: int, losses: int) -> None:
    assert 0 <= decidedness(wins, losses) < decidedness(wins + 1, losses) < 1


def test_the_longest_answer_fits_into_an_embed_as_plain_text() -> None:
    duels = [Duel("style", "[" * 200, f"@everyone {number}", 3, 1) for number in range(60)]

    embed = insight_embed(duels, "")

    assert len(embed) < 6000 and len(embed.description or "") < 4096
    assert "40 more pairs" in str(embed.footer.text)
    assert r"\@everyone" in str(embed.description) and "[[" not in str(embed.description)
