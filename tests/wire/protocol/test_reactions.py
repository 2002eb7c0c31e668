"""Reactions: adding, listing, taking away."""

from __future__ import annotations

import pytest

from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.messages import Message
from tests.wire.raw import RawBot


@pytest.fixture
def said(site: LocalDiscord, studio: Channel, max_id: int) -> Message:
    return site.people.say(max_id, studio.id, "look")


def at(message: Message, rest: str = "") -> str:
    return f"/channels/{message.channel_id}/messages/{message.id}/reactions{rest}"


async def test_reactions_are_counted_listed_and_published(
    raw: RawBot, site: LocalDiscord, said: Message, max_id: int, mo_id: int
) -> None:
    line = await raw.identify()
    site.people.react(mo_id, said, "⬆️")
    site.people.react(max_id, said, "⬆️")

    put = await raw.ask("PUT", at(said, "/⬆️/@me"))
    who = await raw.ask("GET", at(said, "/⬆️"))
    message = await raw.ask("GET", f"/channels/{said.channel_id}/messages/{said.id}")
    told = await line.event("MESSAGE_REACTION_ADD")

    assert 204 == put.status
    assert {str(mo_id), str(max_id), str(site.world.app.id)} == {user["id"] for user in who.body}
    assert [(3, True, "⬆️")] == [(r["count"], r["me"], r["emoji"]["name"]) for r in message.body["reactions"]]
    assert (str(mo_id), str(said.author_id)) == (told["user_id"], told["message_author_id"])


async def test_the_list_of_reactions_is_paged_by_user(
    raw: RawBot, site: LocalDiscord, said: Message, max_id: int, mo_id: int
) -> None:
    for user in (max_id, mo_id):
        site.people.react(user, said, "👍")

    first = await raw.ask("GET", at(said, "/👍?limit=1"))
    second = await raw.ask("GET", at(said, f"/👍?limit=1&after={first.body[0]['id']}"))

    assert [str(max_id)] == [user["id"] for user in first.body]
    assert [str(mo_id)] == [user["id"] for user in second.body]


async def test_variation_selectors_do_not_distinguish_emoji(
    raw: RawBot, site: LocalDiscord, said: Message, max_id: int
) -> None:
    site.people.react(max_id, said, "⬆️")

    await raw.ask("PUT", at(said, "/⬆/@me"))

    assert {"⬆️": 2} == {emoji: len(who) for emoji, who in said.reactions.items()}


async def test_a_repeated_reaction_counts_once(raw: RawBot, said: Message) -> None:
    await raw.ask("PUT", at(said, "/👍/@me"))
    await raw.ask("PUT", at(said, "/👍/@me"))

    assert 1 == len(said.reactions["👍"])


@pytest.mark.parametrize("emoji", ["x", "thumbsup", "1"])
async def test_an_invalid_emoji_is_unknown(raw: RawBot, said: Message, emoji: str) -> None:
    reply = await raw.ask("PUT", at(said, f"/{emoji}/@me"))

    assert (400, 10014) == (reply.status, reply.code)


@pytest.mark.parametrize("emoji", ["1️⃣", "🔁", "❌", "party:123456"])
async def test_keycaps_symbols_and_custom_emoji_are_valid(raw: RawBot, said: Message, emoji: str) -> None:
    assert 204 == (await raw.ask("PUT", at(said, f"/{emoji}/@me"))).status


async def test_removing_reactions_of_others_needs_a_permission(
    raw: RawBot, site: LocalDiscord, said: Message, max_id: int
) -> None:
    line = await raw.identify()
    site.people.react(max_id, said, "👍")
    await raw.ask("PUT", at(said, "/👍/@me"))

    own = await raw.ask("DELETE", at(said, "/👍/@me"))
    refused = await raw.ask("DELETE", at(said, f"/👍/{max_id}"))
    next(iter(site.world.guilds.values())).owner_id = site.world.app.id
    other = await raw.ask("DELETE", at(said, f"/👍/{max_id}"))

    assert [204, 403, 204] == [own.status, refused.status, other.status]
    assert {} == said.reactions
    assert str(site.world.app.id) == (await line.event("MESSAGE_REACTION_REMOVE"))["user_id"]


async def test_reactions_can_be_cleared_for_all_or_one_emoji(
    raw: RawBot, site: LocalDiscord, said: Message, max_id: int
) -> None:
    next(iter(site.world.guilds.values())).owner_id = site.world.app.id
    line = await raw.identify()
    for emoji in ("👍", "🔁", "❌"):
        site.people.react(max_id, said, emoji)

    await raw.ask("DELETE", at(said, "/🔁"))
    left = list(said.reactions)
    await raw.ask("DELETE", at(said))

    assert ["👍", "❌"] == left
    assert "🔁" == (await line.event("MESSAGE_REACTION_REMOVE_EMOJI"))["emoji"]["name"]
    assert str(said.id) == (await line.event("MESSAGE_REACTION_REMOVE_ALL"))["message_id"]


async def test_at_most_twenty_different_emoji(raw: RawBot, site: LocalDiscord, said: Message, max_id: int) -> None:
    for number in range(20):
        site.people.react(max_id, said, chr(0x1F600 + number))

    reply = await raw.ask("PUT", at(said, "/👍/@me"))

    assert (403, 30010) == (reply.status, reply.code)
