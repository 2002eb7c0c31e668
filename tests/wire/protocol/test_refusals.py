"""What the local Discord refuses: request bodies, by error code, and what a client does not let people do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot.playground.server.actions.people import AttachedFile, NotPossibleError, People
from bot.playground.server.local import LocalDiscord
from bot.playground.server.rest.routes.messages import BULK_SECONDS, MOST_PINS
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from tests.wire.protocol.acting import PAINT, answer, button, picture, register, used
from tests.wire.protocol.test_limits import rows, select
from tests.wire.raw import API, RawBot

V2 = 1 << 15
MODAL = 9


def section(accessory: Json) -> Json:
    text = {"type": 10, "content": "x"}
    return {"flags": V2, "components": [{"type": 9, "components": [text], "accessory": accessory}]}


def form(*parts: Json) -> Json:
    return {"title": "T", "custom_id": "m", "components": list(parts)}


def field(**more: Any) -> Json:
    return {"type": 4, "custom_id": "p", "style": 1, **more}


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"components": [button("b", style=9)]}, "components.0.components.0.style"),
        ({"components": [{"type": 1, "components": [{"type": 10, "content": "x"}]}]}, "components.0.components.0.type"),
        ({"components": rows(select(custom_id=""))}, "components.0.components.0.custom_id"),
        ({"components": rows(select(placeholder="x" * 151))}, "components.0.components.0.placeholder"),
        (section({"type": 2, "style": 2, "label": "x" * 81, "custom_id": "b"}), "components.0.accessory.label"),
    ],
)
async def test_a_refused_component_is_named_by_its_path(raw: RawBot, studio: Channel, body: Json, where: str) -> None:
    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", body)

    assert (400, 50035) == (reply.status, reply.code)
    assert '"_errors"' in json.dumps(at(reply.body["errors"], where))


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (form({"type": 18, "label": "L", "description": "x" * 101, "component": field()}), "components.0.description"),
        (form({"type": 1, "components": [field()]}), "components.0.components.0.label"),
        (form({"type": 1, "components": [{"type": 2, "style": 1}]}), "components.0.components.0.type"),
        (form({"type": 2}), "components.0.type"),
    ],
)
async def test_a_refused_part_of_a_form_is_named_by_its_path(
    raw: RawBot, studio: Channel, max_id: int, body: Json, where: str
) -> None:
    refused = await answer(raw, await used(raw, max_id, studio), {"type": MODAL, "data": body})

    assert (400, 50035) == (refused.status, refused.code)
    assert '"_errors"' in json.dumps(at(refused.body["errors"], where))


def at(errors: Json, path: str) -> Json:
    for key in path.split("."):
        errors = errors[key]
    return errors


async def test_a_form_of_rows_is_filled_in_within_its_lengths(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line, interaction = await raw.identify(), await used(raw, max_id, studio)
    row = {"type": 1, "components": [field(label="P", min_length=2, max_length=4)]}
    box = {"type": 18, "label": "B", "component": {"type": 23, "custom_id": "b", "default": True}}
    await answer(raw, interaction, {"type": MODAL, "data": form(row, box)})

    with pytest.raises(NotPossibleError, match="p must have 2 to 4 characters, not 5"):
        site.people.submit(max_id, interaction, {"p": "12345"})
    with pytest.raises(NotPossibleError, match="this form is not open"):
        site.people.submit(site.world.app.id, interaction, {"p": "123"})
    site.people.submit(max_id, interaction, {"p": "123"})
    await line.event("INTERACTION_CREATE")
    parts = (await line.event("INTERACTION_CREATE"))["data"]["components"]

    assert "123" == parts[0]["components"][0]["value"]
    assert True is parts[1]["component"]["value"]


async def test_more_files_than_a_message_holds_and_a_message_of_nothing_are_refused(
    raw: RawBot, studio: Channel
) -> None:
    url = f"/channels/{studio.id}/messages"

    full = (await raw.ask("POST", url, {}, {f"{number}.txt": b"x" for number in range(10)})).body
    many = await raw.ask("PATCH", f"{url}/{full['id']}", {}, {"one more.txt": b"x"})
    empty = await raw.ask("PATCH", f"{url}/{full['id']}", {"attachments": []})

    assert [(400, 50035), (400, 50006)] == [(reply.status, reply.code) for reply in (many, empty)]


@pytest.mark.parametrize("ways", ["chunks", "parts"])
async def test_a_body_above_the_limit_is_refused_however_it_comes(
    raw: RawBot, studio: Channel, monkeypatch: pytest.MonkeyPatch, ways: str
) -> None:
    monkeypatch.setattr("bot.playground.server.rest.bodies.MAX_REQUEST", 0)

    async def chunks() -> Any:
        for _ in range(30):
            yield bytes(2**20)

    form_data = aiohttp.FormData()
    form_data.add_field("files[0]", chunks(), filename="a.bin")
    kind = {"Content-Type": "application/json"} if ways == "chunks" else {}
    data = chunks() if ways == "chunks" else form_data
    url = f"{API}/channels/{studio.id}/messages"
    async with raw.session.post(url, headers={**raw.headers, **kind}, data=data) as response:
        assert 413 == response.status


async def test_a_multipart_body_within_a_multipart_body_is_refused(raw: RawBot, studio: Channel) -> None:
    body = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n--b--\r\n"
    headers = {**raw.headers, "Content-Type": "multipart/form-data; boundary=b"}
    async with raw.session.post(f"{API}/channels/{studio.id}/messages", headers=headers, data=body) as response:
        assert (400, 50109) == (response.status, (await response.json())["code"])


async def test_pins_end_at_250_and_old_messages_cannot_be_deleted_together(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    messages = [site.people.say(max_id, studio.id, "x") for _ in range(MOST_PINS + 1)]
    site.world.guilds[studio.guild_id or 0].owner_id = site.world.app.id
    for message in messages[:MOST_PINS]:
        message.pinned = True
    base = f"/channels/{studio.id}/messages"

    pinned = await raw.ask("PUT", f"{base}/pins/{messages[0].id}")
    full = await raw.ask("PUT", f"{base}/pins/{messages[-1].id}")
    one = await raw.ask("POST", f"{base}/bulk-delete", {"messages": [str(messages[0].id)]})
    site.clock.forward(BULK_SECONDS + 1)
    old = await raw.ask("POST", f"{base}/bulk-delete", {"messages": [str(m.id) for m in messages[:2]]})

    assert (204, 30003, 50016, 50034) == (pinned.status, full.code, one.code, old.code)
    assert MOST_PINS + 1 == len(list(site.messages.of(studio.id)))


async def test_threads_need_a_name_a_server_and_a_message_without_one(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    site.world.guilds[studio.guild_id or 0].owner_id = site.world.app.id
    message = site.people.say(max_id, studio.id, "x")
    of_message = f"/channels/{studio.id}/messages/{message.id}/threads"

    nameless = await raw.ask("POST", of_message, {"name": ""})
    first, second = await raw.ask("POST", of_message, {"name": "a"}), await raw.ask("POST", of_message, {"name": "b"})
    alone = await raw.ask("POST", f"/channels/{studio.id}/threads", {"name": "c", "type": 11})
    within = await raw.ask("POST", f"/channels/{alone.body['id']}/threads", {"name": "d", "type": 11})

    assert [400, 201, 400, 201, 400] == [r.status for r in (nameless, first, second, alone, within)]
    assert (50035, 160004, 50035) == (nameless.code, second.code, within.code)
    assert "name" in nameless.body["errors"]


async def test_users_are_found_and_messaged_by_their_id(raw: RawBot, site: LocalDiscord, max_id: int) -> None:
    found, nobody = await raw.ask("GET", f"/users/{max_id}"), await raw.ask("GET", "/users/1")
    opened = [await raw.ask("POST", "/users/@me/channels", {"recipient_id": str(max_id)}) for _ in range(2)]
    own = await raw.ask("POST", "/users/@me/channels", {"recipient_id": str(site.world.app.id)})

    assert "max" == found.body["username"]
    assert ((404, 10013), (400, 50033)) == ((nobody.status, nobody.code), (own.status, own.code))
    assert opened[0].body["id"] == opened[1].body["id"]


async def test_typing_is_published_to_those_who_want_it(raw: RawBot, studio: Channel) -> None:
    line = await raw.identify(1 << 0 | 1 << 11)

    assert 204 == (await raw.ask("POST", f"/channels/{studio.id}/typing")).status
    told = await line.event("TYPING_START")
    assert (str(studio.id), str(studio.guild_id)) == (told["channel_id"], told["guild_id"])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda people, max_, channel, message: people.say(max_, channel, "  "), "an empty message cannot be sent"),
        (lambda people, max_, channel, message: people.say(max_, channel, "x" * 2001), "2000 characters, not 2001"),
        (
            lambda people, max_, channel, message: people.say(
                max_, channel, "", [AttachedFile("a.bin", bytes(26 * 2**20))]
            ),
            "a.bin is too large",
        ),
        (lambda people, max_, channel, message: people.click(max_, message, "c"), "shows no component 'c'"),
        (lambda people, max_, channel, message: people.click(max_, message, "off"), "'off' is disabled"),
        (
            lambda people, max_, channel, message: people.delete(max_, message),
            "permission to delete messages of others",
        ),
        (
            lambda people, max_, channel, message: people.slash(max_, channel, "none", {}),
            "no command /none; registered:",
        ),
    ],
)
async def test_a_client_refuses_what_discord_would(
    raw: RawBot,
    site: LocalDiscord,
    studio: Channel,
    max_id: int,
    act: Callable[[People, int, int, Any], object],
    words: str,
) -> None:
    await raw.ask(
        "POST", f"/channels/{studio.id}/messages", {"content": "x", "components": [button("off", disabled=True)]}
    )
    [message] = site.messages.of(studio.id)

    with pytest.raises(NotPossibleError, match=words):
        act(site.people, max_id, studio.id, message)


async def test_an_unknown_subcommand_is_refused(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    nested = {**PAINT, "name": "style", "options": [{"type": 1, "name": "list", "description": "All"}]}
    await register(raw, nested)

    with pytest.raises(NotPossibleError, match="/style has no subcommand 'show'"):
        site.people.slash(max_id, studio.id, "style show", {})


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [({"type": 5}, "perhaps", "not true or false"), ({"type": 3, "max_length": 3}, "long", "0 to 3 characters, not 4")],
)
async def test_an_option_of_the_wrong_kind_is_refused(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int, option: Json, value: str, words: str
) -> None:
    await register(raw, {**PAINT, "options": [{"name": "o", "description": "O", **option}]})

    with pytest.raises(NotPossibleError, match=words):
        site.people.slash(max_id, studio.id, "paint", {"o": value})


async def test_a_picture_of_a_message_is_shown_again_by_its_address(raw: RawBot, studio: Channel) -> None:
    url = f"/channels/{studio.id}/messages"
    own = (await raw.ask("POST", url, {}, {"a.png": picture()})).body["attachments"][0]
    shown = await raw.ask(
        "POST",
        url,
        {
            "embeds": [{"title": "t", "image": {"url": own["url"]}, "footer": {"text": "f", "icon_url": own["url"]}}],
            "attachments": [],
        },
    )
    thumbnail = {"type": 11, "media": {"url": "https://example.org/a.png"}}
    elsewhere = await raw.ask("POST", url, section(thumbnail))

    embed = shown.body["embeds"][0]
    assert (24, 24) == (embed["image"]["width"], embed["image"]["height"])
    assert (200, picture()) == await raw.fetch(embed["image"]["url"])
    assert "https://example.org/a.png" == elsewhere.body["components"][0]["accessory"]["media"]["proxy_url"]


async def test_frames_that_are_no_object_close_the_connection_with_4002(raw: RawBot) -> None:
    for text in ("no json", "[" * 100_000, "[]"):
        line = await raw.connect()
        await line.socket.send_str(text)
        assert 4002 == await line.close_code()


async def test_a_person_who_replies_refers_to_the_message(site: LocalDiscord, studio: Channel, max_id: int) -> None:
    first = site.people.say(max_id, studio.id, "x")

    reply = site.people.say(max_id, studio.id, "y", reply_to=first.id)

    assert (19, first.id) == (reply.type, reply.reference)
