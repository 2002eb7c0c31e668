"""Registering application commands."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.local import LocalDiscord
from bot.playground.server.validation.command_access import usable_commands
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission
from tests.wire.protocol.acting import PAINT, register
from tests.wire.raw import RawBot


def command(**change: Any) -> Json:
    return {"name": "c", "description": "d", **change}


def option(**change: Any) -> Json:
    return {"type": 3, "name": "o", "description": "d", **change}


async def test_registering_again_keeps_ids_and_removes_other_commands(raw: RawBot) -> None:
    first = await register(raw, PAINT, command())

    second = await register(raw, PAINT)

    assert first[0]["id"] == second[0]["id"]
    assert first[0]["version"] != second[0]["version"]
    app = raw.site.world.app.id
    assert ["paint"] == [each["name"] for each in (await raw.ask("GET", f"/applications/{app}/commands")).body]


async def test_a_command_can_be_created_read_changed_and_deleted(raw: RawBot) -> None:
    base = f"/applications/{raw.site.world.app.id}/commands"
    made, again = await raw.ask("POST", base, command()), await raw.ask("POST", base, command(description="e"))
    path = f"{base}/{made.body['id']}"

    changed = await raw.ask("PATCH", path, {"description": "f"})
    deleted = await raw.ask("DELETE", path)
    gone = await raw.ask("GET", path)

    assert (201, 200, made.body["id"]) == (made.status, again.status, again.body["id"])
    assert ("f", 204) == (changed.body["description"], deleted.status)
    assert (404, 10063) == (gone.status, gone.code)


WRONG: dict[str, Json] = {
    "upper case": command(name="Dream"),
    "blank in the name": command(name="my dream"),
    "name of 33": command(name="x" * 33),
    "no description": command(description=""),
    "description of 101": command(description="x" * 101),
    "26 options": command(options=[option(name=f"o{n}") for n in range(26)]),
    "required after optional": command(options=[option(), option(name="p", required=True)]),
    "same option twice": command(options=[option(), option()]),
    "26 choices": command(options=[option(choices=[{"name": f"{n}", "value": f"{n}"} for n in range(26)])]),
    "choice of 101": command(options=[option(choices=[{"name": "n", "value": "x" * 101}])]),
    "choices with autocomplete": command(options=[option(choices=[{"name": "n", "value": "v"}], autocomplete=True)]),
    "choices for a file": command(options=[option(type=11, choices=[{"name": "n", "value": "v"}])]),
    "context menu with description": {"name": "Remix", "type": 3, "description": "d"},
    "8001 characters": command(
        options=[
            option(name=f"o{n}", choices=[{"name": f"{c}" * 40, "value": f"{c}" * 40} for c in range(10, 30)])
            for n in range(3)
        ]
    ),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
async def test_a_command_that_breaks_a_rule_is_refused(raw: RawBot, body: Json) -> None:
    reply = await raw.ask("POST", f"/applications/{raw.site.world.app.id}/commands", body)

    assert (400, 50035) == (reply.status, reply.code)


async def test_at_most_a_hundred_commands_with_unique_names(raw: RawBot) -> None:
    path = f"/applications/{raw.site.world.app.id}/commands"

    many = await raw.ask("PUT", path, [command(name=f"c{number}") for number in range(101)])
    twice = await raw.ask("PUT", path, [command(), command()])

    assert (400, 30032) == (many.status, many.code)
    assert (400, 50035) == (twice.status, twice.code)


async def test_the_daily_limit_counts_new_commands_only(raw: RawBot, site: LocalDiscord) -> None:
    assert 200 == site.commands.creates_per_day
    site.commands.creates_per_day = 4
    for attempt in range(2):
        for _ in range(3):
            await register(raw, command(name=f"a{attempt}"), command(name=f"b{attempt}"))
    path = f"/applications/{site.world.app.id}/commands"

    refused = await raw.ask("PUT", path, [command(name="one-more")])
    site.clock.forward(86_401)

    assert (400, 30034) == (refused.status, refused.code)
    assert 200 == (await raw.ask("PUT", path, [command(name="one-more")])).status


async def test_a_guild_command_precedes_the_global_one_of_the_same_name(
    raw: RawBot, site: LocalDiscord, studio: Channel
) -> None:
    await register(raw, command())
    guild = next(iter(site.world.guilds))
    path = f"/applications/{site.world.app.id}/guilds/{guild}/commands"
    await raw.ask("PUT", path, [command(description="own")])

    assert ["own", "d"] == [each["description"] for each in site.commands.usable(guild)]


async def test_subcommands_are_used_by_their_full_name(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    best = {"type": 1, "name": "best", "description": "d", "options": [option(name="of", required=True)]}
    await register(raw, command(name="gallery", options=[best]))
    line = await raw.identify()

    interaction = site.people.slash(max_id, studio.id, "gallery best", {"of": "max"})
    data = (await line.event("INTERACTION_CREATE"))["data"]

    assert ("gallery", "best") == (data["name"], data["options"][0]["name"])
    assert "max" == data["options"][0]["options"][0]["value"]
    assert "gallery best" == interaction.command_name
    with pytest.raises(NotPossibleError, match="needs a subcommand"):
        site.people.slash(max_id, studio.id, "gallery")


async def test_an_age_restricted_command_is_usable_in_such_channels_only(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    await register(raw, command(nsfw=True))

    with pytest.raises(NotPossibleError, match="age-restricted"):
        site.people.slash(max_id, studio.id, "c")
    assert site.people.slash(max_id, site.world.channel_named("late-night").id, "c")


async def test_a_message_command_contains_its_message(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    await register(raw, {"name": "Remix this", "type": 3})
    line = await raw.identify()
    said = site.people.say(max_id, studio.id, "a fox in fog")

    site.people.on_message(max_id, said, "Remix this")
    data = (await line.event("INTERACTION_CREATE"))["data"]

    assert (3, str(said.id)) == (data["type"], data["target_id"])
    assert "a fox in fog" == data["resolved"]["messages"][str(said.id)]["content"]


async def test_the_response_to_a_message_command_refers_to_its_message(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    await register(raw, {"name": "Remix this", "type": 3})
    said = site.people.say(max_id, studio.id, "a fox in fog")
    interaction = site.people.on_message(max_id, said, "Remix this")
    body = {"type": 4, "data": {"content": "done"}}
    await raw.ask("POST", f"/interactions/{interaction.id}/{interaction.token}/callback", body)

    assert interaction.original is not None
    shown = site.show(interaction.original, max_id)
    assert 23 == shown["type"]
    assert str(said.id) == shown["interaction_metadata"]["target_message_id"]
    assert str(said.id) == shown["message_reference"]["message_id"] == shown["referenced_message"]["id"]


async def test_commands_are_usable_in_their_contexts(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    moderators = str(int(Permission.MANAGE_MESSAGES))
    await register(
        raw,
        command(name="plain"),
        command(name="guild-only", contexts=[0]),
        command(name="anywhere", contexts=[0, 1, 2], integration_types=[0, 1]),
        command(name="for-moderators", default_member_permissions=moderators),
        command(name="for-admins", default_member_permissions="0"),
    )
    dm, talk = site.world.dm(max_id, site.world.app.id), site.world.dm(max_id, site.world.app.owner_id)
    assert dm is not None and talk is not None

    def names(channel: Channel, user: int) -> set[str]:
        registered = site.commands.usable(channel.guild_id)
        return {each["name"] for each in usable_commands(site.world, registered, channel, user)}

    assert {"plain", "guild-only", "anywhere"} == names(studio, max_id)
    assert {"plain", "guild-only", "anywhere", "for-moderators"} == names(studio, mo_id)
    assert 5 == len(names(studio, site.world.app.owner_id))
    assert {"plain", "anywhere", "for-moderators", "for-admins"} == names(dm, max_id)
    assert ({"anywhere"}, set()) == (names(talk, max_id), names(talk, site.world.app.owner_id))


async def test_a_group_of_subcommands_takes_people_roles_and_channels(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    options = [
        option(name="who", type=6, required=True),
        option(name="role", type=8),
        option(name="any", type=9),
        option(name="where", type=7, channel_types=[0]),
    ]
    allow = {"type": 1, "name": "allow", "description": "d", "options": options}
    group = {"type": 2, "name": "limits", "description": "d", "options": [allow]}
    await register(raw, command(name="admin", options=[group]))
    line = await raw.identify()
    moderator = site.world.guilds[studio.guild_id or 0].members[mo_id].roles[0]
    thread = site.world.channel_named("owl studies")

    given = {"who": str(mo_id), "role": str(moderator), "any": str(moderator), "where": str(studio.id)}
    site.people.slash(max_id, studio.id, "admin limits allow", given)
    data = (await line.event("INTERACTION_CREATE"))["data"]

    assert ("limits", 2) == (data["options"][0]["name"], data["options"][0]["type"])
    assert given == {o["name"]: o["value"] for o in data["options"][0]["options"][0]["options"]}
    assert {"users", "members", "roles", "channels"} == set(data["resolved"])
    for wrong, words in (
        ({"where": str(thread.id)}, "only channels"),
        ({"who": "nobody"}, "is not an id"),
        ({"role": "1"}, "no role"),
    ):
        with pytest.raises(NotPossibleError, match=words):
            site.people.slash(max_id, studio.id, "admin limits allow", {**given, **wrong})


async def test_a_user_command_contains_its_user(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, mo_id: int
) -> None:
    await register(raw, {"name": "Their pictures", "type": 2})
    line = await raw.identify()

    site.people.on_user(max_id, studio.id, mo_id, "Their pictures")
    data = (await line.event("INTERACTION_CREATE"))["data"]

    assert (2, str(mo_id)) == (data["type"], data["target_id"])
    assert ("mo", True) == (
        data["resolved"]["users"][str(mo_id)]["username"],
        str(mo_id) in data["resolved"]["members"],
    )
    with pytest.raises(NotPossibleError, match="no user has the id"):
        site.people.on_user(max_id, studio.id, 1, "Their pictures")
