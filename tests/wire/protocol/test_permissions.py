"""Who may do what: roles, overwrites, and what a bot is refused."""

from __future__ import annotations

import pytest

from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel, Overwrite
from bot.playground.server.world.permissions import ALL, Permission, permissions
from tests.wire.protocol.acting import answer, picture, used
from tests.wire.raw import RawBot

P = Permission


async def test_without_send_permission_messages_are_refused_but_responses_pass(
    raw: RawBot, site: LocalDiscord, max_id: int
) -> None:
    quiet = site.world.channel_named("quiet")
    line = await raw.identify()

    posted = await raw.ask("POST", f"/channels/{quiet.id}/messages", {"content": "x"})
    interaction = await used(raw, max_id, quiet)
    told = await line.event("INTERACTION_CREATE")
    answered = await answer(raw, interaction, {"type": 4, "data": {"content": "here"}})

    assert (403, 50013) == (posted.status, posted.code)
    assert not int(told["app_permissions"]) & P.SEND_MESSAGES
    assert 200 == answered.status


async def test_an_invisible_channel_refuses_requests_and_sends_no_events(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    me = site.world.app.id
    line = await raw.identify()
    await line.event("GUILD_CREATE")
    studio.overwrites[me] = Overwrite(me, 1, deny=P.VIEW_CHANNEL)

    site.people.say(max_id, studio.id, "unheard")
    site.people.say(max_id, site.world.channel_named("gallery").id, "heard")
    reply = await raw.ask("GET", f"/channels/{studio.id}/messages")

    assert (403, 50001) == (reply.status, reply.code)
    assert str(studio.id) != (await line.event("MESSAGE_CREATE"))["channel_id"]


@pytest.mark.parametrize(
    ("missing", "method", "path", "status"),
    [
        (P.ATTACH_FILES, "POST", "/messages", 403),
        (P.READ_MESSAGE_HISTORY, "GET", "/messages/{id}", 403),
        (P.ADD_REACTIONS, "PUT", "/messages/{id}/reactions/👍/@me", 403),
        (P.CREATE_PUBLIC_THREADS, "POST", "/messages/{id}/threads", 403),
        (P.MANAGE_MESSAGES, "DELETE", "/messages/{id}/reactions", 403),
    ],
)
async def test_each_action_needs_its_permission(
    raw: RawBot,
    site: LocalDiscord,
    studio: Channel,
    max_id: int,
    missing: Permission,
    method: str,
    path: str,
    status: int,
) -> None:
    said = site.people.say(max_id, studio.id, "x")
    studio.overwrites[site.world.app.id] = Overwrite(site.world.app.id, 1, deny=missing)
    files = {"a.png": picture()} if missing is P.ATTACH_FILES else None

    reply = await raw.ask(method, f"/channels/{studio.id}{path.format(id=said.id)}", {"name": "n"}, files)

    assert (status, 50013) == (reply.status, reply.code)


async def test_without_read_history_permission_the_list_is_empty(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    site.people.say(max_id, studio.id, "x")
    studio.overwrites[site.world.app.id] = Overwrite(site.world.app.id, 1, deny=P.READ_MESSAGE_HISTORY)

    assert [] == (await raw.ask("GET", f"/channels/{studio.id}/messages")).body


async def test_overwrites_apply_in_the_order_everyone_roles_member(
    site: LocalDiscord, studio: Channel, mo_id: int
) -> None:
    guild = next(iter(site.world.guilds.values()))
    role = guild.members[mo_id].roles[0]

    def may() -> bool:
        return bool(permissions(site.world, studio, mo_id) & P.SEND_MESSAGES)

    studio.overwrites[guild.id] = Overwrite(guild.id, 0, deny=P.SEND_MESSAGES)
    assert not may()
    studio.overwrites[role] = Overwrite(role, 0, allow=P.SEND_MESSAGES)
    assert may()
    studio.overwrites[mo_id] = Overwrite(mo_id, 1, deny=P.SEND_MESSAGES)
    assert not may()


async def test_without_view_no_permission_remains_and_the_owner_has_all(
    site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    guild = next(iter(site.world.guilds.values()))
    studio.overwrites[guild.id] = Overwrite(guild.id, 0, deny=P.VIEW_CHANNEL)

    assert 0 == permissions(site.world, studio, max_id)
    assert ALL == permissions(site.world, studio, guild.owner_id)


async def test_a_timed_out_member_can_only_read(site: LocalDiscord, studio: Channel, max_id: int) -> None:
    guild = next(iter(site.world.guilds.values()))
    guild.members[max_id].timed_out_until = site.clock.now() + 60

    with pytest.raises(NotPossibleError, match="permission to write"):
        site.people.say(max_id, studio.id, "let me")
    site.clock.forward(61)
    assert site.people.say(max_id, studio.id, "again")


async def test_people_delete_their_own_messages_and_moderators_all(
    site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    said = site.people.say(mo_id, studio.id, "mine")

    with pytest.raises(NotPossibleError, match="delete messages of others"):
        site.people.delete(max_id, said)
    site.people.delete(mo_id, site.people.say(max_id, studio.id, "gone"))

    assert [said] == list(site.messages.of(studio.id))


async def test_in_a_direct_message_the_app_has_the_documented_permissions(
    raw: RawBot, site: LocalDiscord, max_id: int
) -> None:
    line = await raw.identify()
    dm = site.world.dm(max_id, site.world.app.id)
    assert dm is not None

    await used(raw, max_id, dm)
    told = await line.event("INTERACTION_CREATE")

    wanted = P.ATTACH_FILES | P.EMBED_LINKS | P.MENTION_EVERYONE | P.USE_EXTERNAL_EMOJIS
    assert int(wanted) == int(told["app_permissions"])


async def test_a_user_with_closed_direct_messages_is_refused(raw: RawBot, site: LocalDiscord, max_id: int) -> None:
    dm = await raw.ask("POST", "/users/@me/channels", {"recipient_id": str(max_id)})
    written = await raw.ask("POST", f"/channels/{dm.body['id']}/messages", {"content": "hello"})
    site.world.users[max_id].takes_dms = False

    refused = await raw.ask("POST", f"/channels/{dm.body['id']}/messages", {"content": "hello?"})

    assert 200 == written.status
    assert (403, 50007) == (refused.status, refused.code)
