"""Places where the bot is a guest: installed by a person, it can only speak through that person's interactions."""

from __future__ import annotations

import pytest

from bot.playground.server.world.entities import Channel, ChannelType
from bot.playground.server.world.permissions import Permission
from tests.wire.looks import dreamt, is_painting, is_result
from tests.wire.people import Person
from tests.wire.test_elsewhere import foreign_server
from tests.wire.world import World


@pytest.fixture
def parlour(world: World, max_: Person, olive: Person) -> str:
    """A conversation of two people, one of whom has installed the bot for herself."""
    world.site.world.app.user_installs.add(max_.id)
    place = Channel(world.site.ids.next(), ChannelType.DM, recipients=(max_.id, olive.id))
    world.site.world.channels[place.id] = place
    world.allow("50001")  # the bot tries its own voice first
    return str(place.id)


async def test_a_guest_answers_through_the_interaction(world: World, max_: Person, parlour: str) -> None:
    message = await dreamt(max_, "an owl", channel=parlour)

    assert is_result(message)
    assert any(e.route.startswith("/webhooks/") for e in world.site.record.exchanges if e.method == "PATCH")


async def test_when_the_token_dies_the_picture_comes_directly(world: World, max_: Person, parlour: str) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl", channel=parlour)
    await max_.wait_for(answer.message, is_painting)
    world.allow("50027", "10015")

    world.expire_tokens()

    direct = await max_.wait_for_message(is_result, channel="dm")
    assert "I could not post this in the channel where you asked, so here it is." == direct.content


async def test_a_press_updates_a_message_that_the_bot_could_not_update(
    world: World, max_: Person, olive: Person, parlour: str
) -> None:
    answer = await max_.slash("dream", prompt="slowly an owl", channel=parlour)
    stuck = await max_.wait_for(answer.message, is_painting)
    world.allow("50027", "10015")
    world.expire_tokens()
    await max_.wait_for_message(is_result, channel="dm")
    assert "Cancel" in stuck.buttons

    pressed = await olive.click(stuck, "Cancel")

    assert not pressed.failed
    await olive.wait_for(stuck, is_result)


@pytest.mark.parametrize("shows", [True, False])
async def test_without_permission_for_external_apps_the_picture_is_private(
    world: World, max_: Person, mo: Person, shows: bool
) -> None:
    place = foreign_server(world)
    guild = world.site.world.guilds[world.channel(place).guild_id or 0]
    guild.owner_id = mo.id  # an owner may do everything
    if not shows:
        guild.roles[guild.id].permissions &= ~Permission.USE_EXTERNAL_APPS

    message = await dreamt(max_, "an owl", channel=place)

    assert shows is not message.ephemeral
    assert shows is bool(mo.sees(place))
