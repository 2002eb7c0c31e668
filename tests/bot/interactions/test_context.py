"""The caller of an action, its place, and the bot's permissions there."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from bot.errors import NotAllowed, Refused
from bot.interactions.context import Invocation
from tests.bot.samples import job

ALL = discord.Permissions.all()
ALICE = Invocation(30, "Alice", 20, 10, (), False, ALL, False, True)


def without(*names: str) -> discord.Permissions:
    permissions = discord.Permissions.all()
    permissions.update(**dict.fromkeys(names, False))
    return permissions


@pytest.mark.parametrize(
    ("named", "caller"),
    [
        ("permission View Channel.", replace(ALICE, allowed=without("view_channel", "send_messages"))),
        ("permission Send Messages.", replace(ALICE, allowed=without("send_messages", "attach_files"))),
        ("permissions Attach Files and Embed Links.", replace(ALICE, allowed=without("attach_files", "embed_links"))),
        (
            "permission Send Messages in Threads.",
            replace(ALICE, allowed=without("send_messages_in_threads"), in_thread=True),
        ),
    ],
)
def test_what_is_lacking_is_named(named: str, caller: Invocation) -> None:
    with pytest.raises(Refused, match=named):
        caller.check_place()


@pytest.mark.parametrize(
    "caller",
    [
        ALICE,
        replace(ALICE, allowed=without("send_messages"), in_thread=True),
        replace(ALICE, allowed=without("send_messages_in_threads")),
        replace(ALICE, allowed=without("view_channel", "send_messages"), guild_id=None),
        replace(ALICE, allowed=without("view_channel", "send_messages"), resident=False),
    ],
)
def test_what_is_not_needed_here_may_be_lacking(caller: Invocation) -> None:
    caller.check_place()


def test_a_guest_does_not_promise_more_than_its_voice_can_keep() -> None:
    guest = replace(ALICE, resident=False)

    guest.check_time(12 * 60)
    with pytest.raises(Refused, match="only answer for 15 minutes"):
        guest.check_time(14 * 60)


def test_at_home_a_wait_may_be_long() -> None:
    ALICE.check_time(24 * 3600)


def test_owners_and_moderators_may_do_what_others_may_not() -> None:
    ALICE.check_owner(job())
    replace(ALICE, user_id=99, moderator=True).check_owner(job())
    with pytest.raises(NotAllowed, match=r"^Only Alice or a moderator can delete this\.$"):
        replace(ALICE, user_id=99).check_owner(job())


def test_the_secret_of_an_interaction_is_not_shown() -> None:
    assert "secret" not in repr(replace(ALICE, interaction_token="secret"))
