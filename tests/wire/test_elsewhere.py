"""Direct messages, threads, a forum's posts, places where the bot is a guest: each works, or says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.world.entities import Channel, ChannelType, Guild, Member, Role
from bot.playground.server.world.permissions import Permission
from tests.wire.looks import dreamt, is_result, whispered
from tests.wire.people import Person
from tests.wire.world import World


def post_in_a_forum(world: World, *, restricted: bool = False) -> str:
    """A post of Max's; the forum is age-restricted or not."""
    guild_id, ids = world.channel("studio").guild_id, world.site.ids
    forum = Channel(ids.next(), ChannelType.FORUM, "ideas", guild_id, position=9, nsfw=restricted)
    post = Channel(ids.next(), ChannelType.PUBLIC_THREAD, "owls, please", guild_id, parent_id=forum.id)
    post.owner_id, post.created_at, post.nsfw = world.max.id, world.site.clock.now(), restricted
    world.site.world.channels |= {forum.id: forum, post.id: post}
    return str(post.id)


def foreign_server(world: World) -> str:
    """A channel of a server that has not invited the bot; Max has it for himself."""
    ids, site = world.site.ids, world.site.world
    guild = Guild(ids.next(), "Elsewhere", world.max.id)
    guild.roles = {guild.id: Role(guild.id, "@everyone", int(Permission.USE_EXTERNAL_APPS) | (1 << 31) | (1 << 10))}
    for person in (world.max, world.mo):
        guild.members[person.id] = Member(person.id, site.now())
    channel = Channel(ids.next(), ChannelType.TEXT, "elsewhere", guild.id)
    site.guilds[guild.id], site.channels[channel.id] = guild, channel
    site.app.user_installs.add(world.max.id)
    world.allow("50001")  # the bot tries its own voice first
    return str(channel.id)


async def second_server(world: World) -> str:
    """A channel of another server of Olive's, with the bot and everybody in it."""
    ids, site = world.site.ids, world.site.world
    guild = Guild(ids.next(), "Annex", world.olive.id)
    [first] = site.guilds.values()
    everyone = next(role for role in first.roles.values() if role.id == first.id)
    guild.roles = {guild.id: replace(everyone, id=guild.id)}
    for user_id in (world.olive.id, world.max.id, world.mo.id, site.app.id):
        guild.members[user_id] = Member(user_id, site.now())
    channel = Channel(ids.next(), ChannelType.TEXT, "annex", guild.id)
    site.guilds[guild.id], site.channels[channel.id] = guild, channel
    await world.restart_bot()
    return str(channel.id)


async def test_in_a_direct_message_everything_works(world: World, max_: Person) -> None:
    here = str(world.dm(max_).id)

    owl = await dreamt(max_, "an owl", channel=here)
    again = (await max_.click(owl, "Again")).message
    await max_.wait_for(again, is_result)

    assert "2 jobs" in whispered(await max_.slash("history", channel=here))
    assert "Who: everyone" not in whispered(await max_.slash("settings server", channel=here))
    assert "I am not a member of this server" in whispered(await max_.slash("settings server", channel=here))


async def test_a_post_of_a_forum_is_a_place_like_any_other(world: World, max_: Person, mo: Person) -> None:
    post = post_in_a_forum(world)

    owl = await dreamt(max_, "an owl", channel=post)
    mo.react(owl, "🔁")

    await mo.wait_for_message(lambda m: m.id > owl.id and is_result(m), channel=post)


@pytest.mark.slow
async def test_a_forum_stands_for_its_posts(world: World, olive: Person, max_: Person) -> None:
    post = post_in_a_forum(world)
    parent = world.channel(post).parent_id
    await world.restart_bot()
    await olive.slash("settings server", add_channel=parent)

    await dreamt(max_, "an owl", channel=post)
    assert f"This server only allows pictures in <#{parent}>" in whispered(await max_.slash("dream", prompt="an owl"))


@pytest.mark.slow
async def test_a_post_is_as_restricted_as_its_forum(world: World, max_: Person) -> None:
    post = post_in_a_forum(world, restricted=True)
    await world.restart_bot()

    await dreamt(max_, "a naked owl", channel=post)


@pytest.mark.slow
async def test_a_thread_needs_a_permission_of_its_own(world: World, max_: Person) -> None:
    await dreamt(max_, "an owl", channel="owl studies")
    world.take_permission(Permission.SEND_MESSAGES_IN_THREADS)
    await world.restart_bot()

    answer = await max_.slash("dream", prompt="an owl", channel="owl studies")

    assert "without the permission Send Messages in Threads." in whispered(answer)


@pytest.mark.slow
async def test_where_the_bot_is_a_guest_it_paints_and_has_no_rules(world: World, max_: Person) -> None:
    here = foreign_server(world)

    await dreamt(max_, "an owl", channel=here)

    assert "I am not a member of this server" in whispered(
        await max_.slash("settings server", channel=here, max_steps=5)
    )


@pytest.mark.slow
async def test_a_guest_may_deliver_directly_and_then_waits_as_long_as_it_takes(world: World, max_: Person) -> None:
    here = foreign_server(world)
    await max_.slash("settings mine", private=True, channel=here)

    answer = await max_.slash("dream", prompt="slowly an owl", channel=here)
    world.expire_tokens()

    await max_.wait_for_message(is_result, channel="dm")
    assert "Only you can see it: https://discord.com/channels/@me/" in whispered(answer)


@pytest.mark.slow
async def test_who_has_not_installed_it_is_offered_nothing_there(world: World, mo: Person) -> None:
    here = foreign_server(world)

    with pytest.raises(NotPossibleError, match="is not installed here"):
        await mo.slash("dream", prompt="an owl", channel=here)
