"""Limits of bodies that Discord's schemas let pass, and must not pass here."""

from __future__ import annotations

from typing import Any

import pytest

from bot.playground.server.local import LocalDiscord
from bot.playground.server.validation.limits import file_limit
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.json_types import Json
from tests.wire.protocol.acting import answer, button, picture, used
from tests.wire.raw import RawBot

V2 = 1 << 15
MIB = 2**20


def rows(*buttons: Json) -> list[Json]:
    return [{"type": 1, "components": list(buttons)}]


def plain(custom_id: str = "a", **more: Any) -> Json:
    return {"type": 2, "style": 2, "label": "x", "custom_id": custom_id, **more}


def select(**more: Any) -> Json:
    return {"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}], **more}


WRONG: dict[str, Json] = {
    "content of 2001": {"content": "x" * 2001},
    "nonce of 26": {"content": "x", "nonce": "n" * 26},
    "11 embeds": {"embeds": [{"title": "t"}] * 11},
    "6001 characters in all embeds": {"embeds": [{"description": "x" * 3001}] * 2},
    "title of 257": {"embeds": [{"title": "x" * 257}]},
    "description of 4097": {"embeds": [{"description": "x" * 4097}]},
    "26 fields": {"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]},
    "field without value": {"embeds": [{"fields": [{"name": "n", "value": ""}]}]},
    "footer of 2049": {"embeds": [{"footer": {"text": "x" * 2049}}]},
    "picture by file address": {"embeds": [{"image": {"url": "file:///etc/passwd"}}]},
    "6 rows": {"components": [button(f"{n}") for n in range(6)]},
    "6 buttons": {"components": rows(*(plain(f"{n}") for n in range(6)))},
    "same custom_id twice": {"components": rows(plain(), plain())},
    "label of 81": {"components": rows(plain(label="x" * 81))},
    "custom_id of 101": {"components": rows(plain("x" * 101))},
    "button without label": {"components": rows(plain(label=""))},
    "link with custom_id": {"components": rows(plain(style=5, url="https://example.org"))},
    "button without custom_id": {"components": rows({"type": 2, "style": 1, "label": "x"})},
    "select beside a button": {"components": rows(select(), plain())},
    "26 options": {"components": rows(select(options=[{"label": f"{n}", "value": f"{n}"} for n in range(26)]))},
    "same option twice": {"components": rows(select(options=[{"label": "a", "value": "a"}] * 2))},
    "V2 component without the flag": {"components": [{"type": 10, "content": "words"}]},
    "V2 with content": {"flags": V2, "content": "no", "components": [{"type": 10, "content": "words"}]},
    "V2 with 41 components": {"flags": V2, "components": [{"type": 10, "content": "x"}] * 41},
    "V2 with 4001 characters": {"flags": V2, "components": [{"type": 10, "content": "x" * 2001}] * 2},
    "bare button in V2": {"flags": V2, "components": [plain()]},
    "unknown kind of mention": {"content": "x", "allowed_mentions": {"parse": ["user"]}},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
async def test_bodies_above_a_limit_are_refused(raw: RawBot, studio: Channel, body: Json) -> None:
    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", body)

    assert (400, 50035) == (reply.status, reply.code)
    assert reply.body["errors"]


RIGHT: dict[str, Json] = {
    "content of 2000": {"content": "x" * 2000},
    "6000 characters in embeds": {"embeds": [{"description": "x" * 3000}] * 2},
    "5 rows of 5": {"components": [rows(*(plain(f"{r}{c}") for c in range(5)))[0] for r in range(5)]},
    "a select": {"components": rows(select())},
    "a link": {"components": rows({"type": 2, "style": 5, "label": "x", "url": "https://example.org"})},
    "V2": {"flags": V2, "components": [{"type": 17, "components": [{"type": 10, "content": "x" * 4000}]}]},
}


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT.keys())
async def test_bodies_at_a_limit_pass(raw: RawBot, studio: Channel, body: Json) -> None:
    assert 200 == (await raw.ask("POST", f"/channels/{studio.id}/messages", body)).status


async def test_an_empty_message_is_refused(raw: RawBot, studio: Channel) -> None:
    empty = await raw.ask("POST", f"/channels/{studio.id}/messages", {"content": "  "})

    assert (400, 50006) == (empty.status, empty.code)


async def test_the_file_limit_depends_on_the_boost_level(raw: RawBot, site: LocalDiscord, studio: Channel) -> None:
    path = f"/channels/{studio.id}/messages"
    guild = next(iter(site.world.guilds.values()))

    large = await raw.ask("POST", path, {}, {"large.bin": bytes(10 * MIB + 1)})
    guild.premium_tier = 2
    fits = await raw.ask("POST", path, {}, {"large.bin": bytes(10 * MIB + 1)})

    assert (413, 40005) == (large.status, large.code)
    assert 200 == fits.status
    assert [10 * MIB, 50 * MIB] == [file_limit(None), file_limit(guild)]


async def test_the_whole_request_has_a_limit(raw: RawBot, studio: Channel) -> None:
    files = {f"{number}.bin": bytes(9 * MIB) for number in range(3)}

    reply = await raw.ask("POST", f"/channels/{studio.id}/messages", {}, files)

    assert (413, 40005) == (reply.status, reply.code)


async def test_at_most_ten_files_with_1024_characters_of_description(raw: RawBot, studio: Channel) -> None:
    path = f"/channels/{studio.id}/messages"
    eleven = await raw.ask("POST", path, {}, {f"{number}.png": picture() for number in range(11)})
    wordy = await raw.ask("POST", path, {"attachments": [{"id": 0, "description": "x" * 1025}]}, {"a.png": picture()})

    assert [(400, 50035)] * 2 == [(eleven.status, eleven.code), (wordy.status, wordy.code)]


FIELD = {"type": 18, "label": "L", "component": {"type": 4, "style": 1, "custom_id": "c"}}


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x" * 46},
        {"custom_id": "x" * 101},
        {"components": []},
        {"components": [{**FIELD, "component": {"type": 4, "style": 1, "custom_id": f"{n}"}} for n in range(6)]},
        {"components": [FIELD, FIELD]},
        {"components": [{**FIELD, "label": "x" * 46}]},
        {"components": [{**FIELD, "component": {"type": 4, "style": 1, "custom_id": "c", "max_length": 4001}}]},
        {
            "components": [
                {**FIELD, "component": {"type": 4, "style": 1, "custom_id": "c", "value": "xy", "max_length": 1}}
            ]
        },
        {"components": [{"type": 12, "items": []}]},
    ],
)
async def test_a_modal_has_limits(raw: RawBot, studio: Channel, max_id: int, change: Json) -> None:
    interaction = await used(raw, max_id, studio)
    form = {"title": "T", "custom_id": "m", "components": [FIELD]}

    reply = await answer(raw, interaction, {"type": 9, "data": {**form, **change}})

    assert (400, 50035) == (reply.status, reply.code)
