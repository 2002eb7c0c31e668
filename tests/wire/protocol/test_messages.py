"""Messages of channels: content, edits, files, history, deletion, replies."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from tests.wire.protocol.acting import button, picture
from tests.wire.raw import RawBot, Reply

V2 = 1 << 15


async def post(raw: RawBot, channel: Channel, body: Json, files: dict[str, bytes] | None = None) -> Reply:
    return await raw.ask("POST", f"/channels/{channel.id}/messages", body, files)


async def edit(raw: RawBot, message: Json, body: Json, files: dict[str, bytes] | None = None) -> Reply:
    return await raw.ask("PATCH", f"/channels/{message['channel_id']}/messages/{message['id']}", body, files)


async def test_a_message_is_published_as_posted(raw: RawBot, studio: Channel) -> None:
    line = await raw.identify()

    reply = await post(raw, studio, {"content": " hello ", "nonce": "n1", "components": [button("b")]})
    told = await line.event("MESSAGE_CREATE")

    assert ("hello", "hello") == (reply.body["content"], told["content"])
    assert "b" == told["components"][0]["components"][0]["custom_id"]
    assert str(studio.guild_id) == told["guild_id"]


@pytest.mark.parametrize("enforced", [True, False])
async def test_an_enforced_nonce_makes_a_repeated_request_harmless(
    raw: RawBot, site: LocalDiscord, studio: Channel, enforced: bool
) -> None:
    body = {"content": "once", "nonce": "job7-final", "enforce_nonce": enforced}

    first, second = await post(raw, studio, body), await post(raw, studio, body)

    assert enforced == (first.body["id"] == second.body["id"])
    assert (1 if enforced else 2) == len(list(site.messages.of(studio.id)))


async def test_a_nonce_is_enforced_for_some_minutes(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    body = {"content": "once", "nonce": "n", "enforce_nonce": True}
    await post(raw, studio, body)

    site.clock.forward(600)
    await post(raw, studio, body)

    assert 2 == len(list(site.messages.of(studio.id)))


async def test_attachments_omit_files_that_an_embed_shows(raw: RawBot, studio: Channel) -> None:
    shown = {"embeds": [{"image": {"url": "attachment://a.png"}}], "attachments": [{"id": 0, "description": "red"}]}

    reply = await post(raw, studio, shown, {"a.png": picture(), "b.png": picture("blue", 30)})

    image = reply.body["embeds"][0]["image"]
    assert ["b.png"] == [attachment["filename"] for attachment in reply.body["attachments"]]
    assert (24, 24) == (image["width"], image["height"])
    assert (200, picture()) == await raw.fetch(image["url"])


async def test_an_edit_without_attachments_keeps_the_files_and_adds_the_new_one(raw: RawBot, studio: Channel) -> None:
    message = (await post(raw, studio, {}, {"a.png": picture()})).body

    reply = await edit(raw, message, {"content": "more"}, {"b.png": picture("blue")})

    assert ["a.png", "b.png"] == [attachment["filename"] for attachment in reply.body["attachments"]]


async def test_an_edit_with_attachments_keeps_only_the_listed_ones(raw: RawBot, studio: Channel) -> None:
    message = (await post(raw, studio, {}, {"a.png": picture(), "b.png": picture("blue")})).body
    kept = {"id": message["attachments"][1]["id"]}

    two = await edit(raw, message, {"attachments": [kept, {"id": 0, "filename": "c.png"}]}, {"c.png": picture("green")})
    none = await edit(raw, message, {"content": "bare", "attachments": []})

    assert ["b.png", "c.png"] == [attachment["filename"] for attachment in two.body["attachments"]]
    assert [] == none.body["attachments"]


async def test_a_file_of_another_message_cannot_be_kept(raw: RawBot, studio: Channel) -> None:
    message = (await post(raw, studio, {"content": "x"})).body

    reply = await edit(raw, message, {"attachments": [{"id": "1234567890123456789"}]})

    assert (400, 50035) == (reply.status, reply.code)


async def test_an_embed_without_its_file_is_a_finding(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    await post(raw, studio, {"embeds": [{"title": "t", "image": {"url": "attachment://lost.png"}}]})

    assert ["an embed refers to attachment://lost.png, but the message has no such file"] == [
        finding for exchange in site.record.exchanges for finding in exchange.findings
    ]


async def test_null_clears_and_a_missing_key_keeps(raw: RawBot, studio: Channel) -> None:
    message = (await post(raw, studio, {"content": "words", "embeds": [{"title": "t"}]})).body

    kept = await edit(raw, message, {"content": "other"})
    emptied = await edit(raw, message, {"embeds": None})

    assert ["t"] == [embed["title"] for embed in kept.body["embeds"]]
    assert ("other", []) == (emptied.body["content"], emptied.body["embeds"])


async def test_a_refused_edit_changes_nothing(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    message = (await post(raw, studio, {"content": "words"}, {"a.png": picture()})).body

    reply = await edit(raw, message, {"content": "x" * 2001, "attachments": []})

    state = site.messages.get(studio.id, int(message["id"]))
    assert 400 == reply.status
    assert state is not None and ("words", 1, None) == (state.content, len(state.files), state.edited_at)


async def test_messages_of_others_cannot_be_edited_and_need_a_permission_to_delete(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    said = site.people.say(max_id, studio.id, "mine")
    path = f"/channels/{studio.id}/messages/{said.id}"

    edited, deleted = await raw.ask("PATCH", path, {"content": "yours"}), await raw.ask("DELETE", path)

    assert (403, 50005) == (edited.status, edited.code)
    assert (403, 50013) == (deleted.status, deleted.code)


async def test_a_deleted_message_is_unknown_to_all_routes(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    line = await raw.identify()
    message = (await post(raw, studio, {"content": "soon gone"})).body
    path = f"/channels/{studio.id}/messages/{message['id']}"

    assert 204 == (await raw.ask("DELETE", path)).status

    replies = [
        await raw.ask("GET", path),
        await raw.ask("PATCH", path, {"content": "x"}),
        await raw.ask("DELETE", path),
    ]
    assert [(404, 10008)] * 3 == [(reply.status, reply.code) for reply in replies]
    assert message["id"] == (await line.event("MESSAGE_DELETE"))["id"]


async def test_history_comes_newest_first_in_pages(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    ids = [site.people.say(max_id, studio.id, f"{number}").id for number in range(8)]

    async def page(query: str) -> list[int]:
        reply = await raw.ask("GET", f"/channels/{studio.id}/messages?{query}")
        return [ids.index(int(message["id"])) for message in reply.body]

    assert [7, 6, 5] == await page("limit=3")
    assert [4, 3] == await page(f"limit=2&before={ids[5]}")
    assert [4, 3] == await page(f"limit=2&after={ids[2]}")
    assert [5, 4, 3] == await page(f"limit=3&around={ids[4]}")
    assert 400 == (await raw.ask("GET", f"/channels/{studio.id}/messages?limit=101")).status


async def test_a_reply_refers_to_its_message_and_fails_without_it(raw: RawBot, studio: Channel) -> None:
    message = (await post(raw, studio, {"content": "first"})).body

    reply = await post(raw, studio, {"content": "second", "message_reference": {"message_id": message["id"]}})
    lost = await post(raw, studio, {"content": "third", "message_reference": {"message_id": "123"}})
    forgiven = {"message_id": "123", "fail_if_not_exists": False}

    assert (19, "first") == (reply.body["type"], reply.body["referenced_message"]["content"])
    assert (400, 50035) == (lost.status, lost.code)
    assert 200 == (await post(raw, studio, {"content": "third", "message_reference": forgiven})).status


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [(None, ["max"]), ({"parse": []}, []), ({"parse": ["users"]}, ["max"]), ({"parse": ["roles"]}, [])],
)
async def test_allowed_mentions_limit_the_mentions(
    raw: RawBot, studio: Channel, max_id: int, allowed: Any, pinged: list[str]
) -> None:
    body = {"content": f"<@{max_id}> @everyone", **({"allowed_mentions": allowed} if allowed else {})}

    reply = await post(raw, studio, body)

    assert pinged == [user["username"] for user in reply.body["mentions"]]
    assert not reply.body["mention_everyone"]  # the bot lacks MENTION_EVERYONE


async def test_parse_and_users_exclude_each_other(raw: RawBot, studio: Channel, max_id: int) -> None:
    reply = await post(raw, studio, {"content": "x", "allowed_mentions": {"parse": ["users"], "users": [str(max_id)]}})

    assert (400, 50035) == (reply.status, reply.code)


async def test_layout_components_show_files_of_the_message_only(raw: RawBot, studio: Channel) -> None:
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://a.png"}}]}
    body = {"flags": V2, "components": [{"type": 10, "content": "words"}, gallery]}

    reply = await post(raw, studio, body, {"a.png": picture()})
    mixed = await post(raw, studio, {**body, "content": "no"}, {"a.png": picture()})
    lost = await post(raw, studio, body)

    media = reply.body["components"][1]["items"][0]["media"]
    assert ([], 24) == (reply.body["attachments"], media["width"])
    assert [(400, 50035)] * 2 == [(mixed.status, mixed.code), (lost.status, lost.code)]


async def test_edits_of_old_messages_are_limited(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    message = (await post(raw, studio, {"content": "old"})).body
    site.limits.old_edits = 2
    site.clock.forward(3601)

    replies = [await edit(raw, message, {"content": f"{number}"}) for number in range(3)]

    assert [200, 200, 429] == [reply.status for reply in replies]
    assert 30046 == replies[-1].code


async def test_bulk_delete_needs_a_permission(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    ids = [str(site.people.say(max_id, studio.id, "x").id) for _ in range(3)]
    path = f"/channels/{studio.id}/messages/bulk-delete"

    refused = await raw.ask("POST", path, {"messages": ids})
    guild = next(iter(site.world.guilds.values()))
    guild.owner_id = site.world.app.id
    deleted = await raw.ask("POST", path, {"messages": ids})

    assert (403, 204) == (refused.status, deleted.status)
    assert [] == list(site.messages.of(studio.id))


async def test_unknown_fields_are_a_finding(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    await post(raw, studio, {"content": "x", "contnet": "y"})

    assert ["body: 'contnet' is not a known field of a message"] == site.record.exchanges[-1].findings


async def test_a_thread_from_a_message_has_its_id(raw: RawBot, studio: Channel) -> None:
    line = await raw.identify()
    message = (await post(raw, studio, {"content": "talk"})).body

    thread = await raw.ask("POST", f"/channels/{studio.id}/messages/{message['id']}/threads", {"name": "talk"})
    said = await raw.ask("POST", f"/channels/{thread.body['id']}/messages", {"content": "inside"})

    assert (201, message["id"], 11) == (thread.status, thread.body["id"], thread.body["type"])
    assert thread.body["id"] == (await line.event("THREAD_CREATE"))["id"]
    assert "inside" == said.body["content"]
