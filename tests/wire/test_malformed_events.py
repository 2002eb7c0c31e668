"""Events that discord.py cannot read: each is logged and left out, and the bot continues."""

from __future__ import annotations

import discord
import pytest

from bot.playground.server.world.events import Event, fixed
from bot.playground.server.world.json_types import Json
from tests.wire.looks import dreamt
from tests.wire.people import Person
from tests.wire.world import World

BROKEN: dict[str, list[Json]] = {
    "INTERACTION_CREATE": [
        {},
        {"id": "1", "type": 2, "token": "t", "application_id": "1", "version": 1, "data": {"id": "1"}},
        {"id": "no number", "type": 3, "token": "t", "application_id": "1", "version": 1},
    ],
    "CHANNEL_UPDATE": [{"type": 0, "guild_id": "GUILD"}, {"type": "x"}],
    "CHANNEL_DELETE": [{"type": 0}],
    "THREAD_CREATE": [{"guild_id": "GUILD"}],
    "GUILD_CREATE": [{"id": "77", "channels": [{}]}],
    "GUILD_UPDATE": [{"id": None}],
    "GUILD_ROLE_UPDATE": [{"guild_id": "GUILD", "role": {}}],
    "MESSAGE_REACTION_ADD": [{"emoji": {}}, {"user_id": "1", "channel_id": "2", "message_id": [], "emoji": None}],
    "MESSAGE_DELETE": [{}],
}


@pytest.mark.parametrize("name", BROKEN)
async def test_an_event_that_cannot_be_read_concerns_nothing_else(world: World, max_: Person, name: str) -> None:
    [guild] = world.site.world.guilds.values()
    world.allow(rf"an event {name} from Discord cannot be read", rf"^{name}: ")  # the schemas object too
    identified = world.site.gateway.identifies.remaining
    errors = world.bot.metrics.errors.labels("bot.interactions.unreadable")._value.get()

    for data in BROKEN[name]:
        told = {key: str(guild.id) if value == "GUILD" else value for key, value in data.items()}
        world.site.hub.publish(Event(name, fixed(told), only_for=world.site.world.app.id))
    await dreamt(max_, "a fox")

    assert len(BROKEN[name]) == world.bot.metrics.errors.labels("bot.interactions.unreadable")._value.get() - errors
    assert identified == world.site.gateway.identifies.remaining


async def test_a_reaction_in_a_server_that_could_not_be_read_waits_for_its_rules(world: World, max_: Person) -> None:
    """Without the server, the channel would count as a direct message, where everybody may do everything."""
    message = await dreamt(max_, "a fox")
    [server] = world.bot.guilds
    world.bot._connection._remove_guild(server)
    event = discord.RawReactionActionEvent(
        {
            "message_id": str(message.id),
            "channel_id": str(message.state.channel_id),
            "user_id": str(max_.id),
            "guild_id": str(server.id),
            "emoji": {"id": None, "name": "🔁"},
            "type": 0,
        },
        discord.PartialEmoji(name="🔁"),
        "REACTION_ADD",
    )

    reactions = world.bot.get_cog("ReactionEvents")
    await reactions.on_raw_reaction_add(event)
    await reactions._catch_up(0)

    assert 1 == len(await world.jobs_of(max_))


async def test_a_command_that_cannot_be_read_is_logged_at_once(world: World, max_: Person) -> None:
    """discord.py reads its options in a task, whose error would otherwise be noticed when the task is collected."""
    world.allow(r"^INTERACTION_CREATE: ", "an interaction failed", r"/callback → 404")
    await max_.slash("queue")
    [told] = [event.data for event in world.site.record.events if event.name == "INTERACTION_CREATE"]
    broken = {**told, "id": "1", "token": "unknown", "data": {**told["data"], "options": "none"}}

    world.site.hub.publish(Event("INTERACTION_CREATE", fixed(broken), only_for=world.site.world.app.id))

    await world.until(lambda: any("an interaction failed" in one.getMessage() for one in world.logged), what="an error")
