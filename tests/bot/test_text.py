"""Small pieces of text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.embeds.job import words_notes
from bot.text import NO_BREAK, bar, count, duration, listed, message_link, plain, shorten, show_prompts
from engine.requests.prompts import parse_prompts
from engine.requests.request import build_request


@pytest.mark.parametrize(
    ("shown", "prompt"),
    [
        ("a fox", "a fox"),
        ("castle ×2 · fog · people ×−0.5", "castle:2 | fog | people:-.5"),
        ("a \\_quiet\\_ \\*fox\\*", "a _quiet_ *fox*"),
        ("\\[free\\]\\(http\\://x.y\\)", "[free](http://x.y)"),
        ("\\<\\@1\\> \\@everyone", "<@1> @everyone"),
    ],
)
def test_prompts_are_shown_as_they_were_understood_and_format_nothing(shown: str, prompt: str) -> None:
    assert shown == show_prompts(parse_prompts(prompt))


@given(st.text())
def test_plain_text_leaves_no_markup_unescaped(text: str) -> None:
    left = plain(text)
    for mark in "*_~`|<>@[]()#:":
        assert left.replace("\\\\", "").replace(f"\\{mark}", "").count(mark) == 0


def test_plain_text_has_one_line() -> None:
    assert "a b c" == plain("a\n\nb\t c ")


@pytest.mark.parametrize(("shown", "share"), [("▱" * 10, 0), ("▰" * 6 + "▱" * 4, 0.6), ("▰" * 10, 7)])
def test_a_bar_shows_a_share(shown: str, share: float) -> None:
    assert shown == bar(share)


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [("0.3 s", 0.26), ("9.9 s", 9.94), ("10 s", 9.96), ("1 min", 59.7), ("3 min 5 s", 185), ("1 h 4 min", 3845)],
)
def test_durations_are_read_aloud(shown: str, seconds: float) -> None:
    assert shown.replace(" ", NO_BREAK) == duration(seconds)


def test_long_text_is_cut_at_a_blank() -> None:
    assert "an owl in…" == shorten("an owl in moonlight", 15)
    assert "aaaaaaaaaaaaaaaaaaaaaaaa…" == shorten("a" * 50, 25)
    assert "an owl" == shorten("an owl", 6)


def test_lists_end_with_and() -> None:
    assert ["", "a", "a and b", "a, b and c"] == [listed("abc"[:n]) for n in range(4)]


def test_things_are_counted() -> None:
    assert ["1 picture", "2 pictures", "2 wolves"] == [count(1, "picture"), count(2, "picture"), count(2, "", "wolves")]


def test_links_lead_into_servers_and_direct_messages() -> None:
    assert "https://discord.com/channels/1/2/3" == message_link(1, 2, 3)
    assert "https://discord.com/channels/@me/2/3" == message_link(None, 2, 3)


def test_unknown_words_are_named_once_and_alternatives_offered() -> None:
    [note] = words_notes(build_request("cyberpunk castle | cyberpunk dali"))
    assert note == "I don’t know “cyberpunk” and “dali”."
    assert ["I don’t know “dragn”; closest: dragon, lizard, dinosaur."] == words_notes(build_request("a dragn"))


def test_known_words_need_no_note() -> None:
    assert [] == words_notes(build_request("a red owl in the snow"))


def test_many_unknown_words_are_not_all_named() -> None:
    [note] = words_notes(build_request("qa qb qc qd qe qf qg qh"))
    assert note.startswith("I don’t know “qa”, “qb”, “qc” and more")
    assert "qd" not in note
