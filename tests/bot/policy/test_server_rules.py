"""Rules as values: what is usual, what is refused, and what another version has stored."""

from __future__ import annotations

import logging

import pytest

from bot.config.sections import LimitsSection
from bot.errors import BlockedWords, Refused
from bot.policy.server_rules import (
    NOWHERE,
    Location,
    PaintChoice,
    Preferences,
    PromptLineage,
    ServerRules,
    Word,
    preferred,
    wanted_texts,
)
from engine.catalogue.models import DEFAULT_MODEL
from engine.requests.request import build_request


def test_what_was_typed_goes_first_then_mine_then_the_servers() -> None:
    mine, here = (
        Preferences(size="320x256", profile="disco"),
        ServerRules(size="256x320", profile="draft", model="primer"),
    )
    typed = PaintChoice(method="clip_diffusion", size="256x256", profile="art")

    assert (DEFAULT_MODEL, "", "320x256", "disco") == preferred(PaintChoice(), (mine, here))
    assert (DEFAULT_MODEL, "", "256x320", "draft") == preferred(PaintChoice(), (Preferences(), here))
    assert typed._replace(model=DEFAULT_MODEL) == preferred(typed, (mine, here))
    assert (DEFAULT_MODEL, "", "", "none") == preferred(PaintChoice(), ())


def test_what_a_model_cannot_do_is_passed_over() -> None:
    mine, here = Preferences(size="2000x16", method="oil", model="gone", profile="baroque"), ServerRules(size="256x320")

    assert (DEFAULT_MODEL, "", "256x320", "none") == preferred(PaintChoice(), (mine, here))


def test_a_method_alone_chooses_an_installed_model_that_supports_it() -> None:
    mine, by = Preferences(model="imagenet-256"), PaintChoice(method="biggan_clip")

    assert "biggan-deep-512" == preferred(by, (mine,)).model
    assert "biggan-deep-256" == preferred(by, (), {"biggan-deep-512": "not downloaded"}).model
    assert DEFAULT_MODEL == preferred(PaintChoice(method="pixels"), (mine,)).model
    assert "imagenet-256" == preferred(PaintChoice(method="oil"), (mine,)).model
    assert "primer" == preferred(by._replace(model="primer"), ()).model


def test_a_profile_is_passed_over_where_the_method_has_none_and_none_is_a_choice_too() -> None:
    mine, here = Preferences(profile="disco"), ServerRules(method="pixels", profile="draft")

    assert ("pixels", "none") == preferred(PaintChoice(), (mine, here))[1::2]
    assert ("clip_diffusion", "disco") == preferred(PaintChoice(method="clip_diffusion"), (mine, here))[1::2]
    assert "none" == preferred(PaintChoice(), (Preferences(profile="none"), ServerRules(profile="draft"))).profile
    assert ({"profile": "art"}, {}, {}) == (
        PaintChoice(profile="art").settings,
        PaintChoice(profile="none").settings,
        PaintChoice().settings,
    )


def test_a_server_is_never_more_generous_than_the_host() -> None:
    host = LimitsSection(max_steps=100)

    assert 50 == ServerRules(max_steps=50).limits(host).max_steps
    assert 100 == ServerRules(max_steps=500).limits(host).max_steps
    assert host == ServerRules().limits(host)


def test_a_value_that_cannot_be_read_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        rules = ServerRules.read({"max_steps": "many", "mature": "sometimes", "size": "256x256", "future": 1})

    assert ServerRules(size="256x256") == rules
    assert 2 == len(caplog.records)


def test_a_category_stands_for_its_channels_and_a_channel_for_its_threads() -> None:
    rules = ServerRules(channels=(7,))

    rules.check_place(Location(1, (9, 8, 7)))
    with pytest.raises(Refused, match="only allows pictures in <#7>"):
        rules.check_place(Location(1, (9, 8)))


def test_only_members_with_a_role_may_paint_where_roles_are_named() -> None:
    rules = ServerRules(roles=(3, 4))

    rules.check_place(Location(1, (9,), roles=(4,)))
    with pytest.raises(Refused, match="Only members with the role <@&3> or <@&4> can paint"):
        rules.check_place(Location(1, (9,), roles=(5,)))


def test_adult_words_follow_the_servers_rule_and_never_meet_minors() -> None:
    grown, young = PromptLineage(("a naked owl",)), PromptLineage(("a naked woman", "a little girl"))
    adults = Location(1, (2,), restricted=True)

    ServerRules().check_words(grown, adults)
    for rules, meant, place, words in (
        (ServerRules(), grown, Location(1, (2,)), "“naked” is only allowed in 18"),
        (ServerRules(mature="never"), grown, adults, "“naked” is adult content, which this server does not allow"),
        (ServerRules(), young, adults, "Sexual content with minors is never allowed"),
    ):
        with pytest.raises(BlockedWords, match=words):
            rules.check_words(meant, place)


def test_the_reason_of_a_blocked_word_is_said_as_it_was_typed_and_formats_nothing() -> None:
    rules = ServerRules(words=(Word(phrase="owl", reason="**no** @everyone."),))

    with pytest.raises(BlockedWords) as refused:
        rules.check_words(PromptLineage(("an owl",)), NOWHERE)

    assert "“owl” is blocked in this server: \\*\\*no\\*\\* \\@everyone." == str(refused.value)


def test_what_a_picture_is_to_keep_away_from_may_be_anything() -> None:
    rules = ServerRules(words=(Word(phrase="owl"),))

    rules.check_words(PromptLineage(wanted_texts(build_request("a fox:2 | owl:-1", negative="naked owl"))), NOWHERE)


def test_what_was_made_from_forgotten_words_belongs_where_adults_alone_look() -> None:
    forgotten = PromptLineage(known=False)

    ServerRules().check_words(forgotten, Location(1, (2,), restricted=True))
    with pytest.raises(BlockedWords, match="The original prompt is no longer stored"):
        ServerRules().check_words(forgotten, Location(1, (2,)))
