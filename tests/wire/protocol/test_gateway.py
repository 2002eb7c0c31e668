"""The gateway, frame by frame."""

from __future__ import annotations

import asyncio

import pytest

from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.entities import Channel, shard_of
from bot.playground.server.world.small_world import add_guild
from tests.wire.raw import GUILDS_AND_MESSAGES, RawBot

GUILDS = 1


async def test_hello_comes_first_and_heartbeats_are_acknowledged(raw: RawBot) -> None:
    line = await raw.connect()

    hello = await line.frame()
    await line.send(1, None)

    assert 10 == hello["op"]
    assert 41_250 == hello["d"]["heartbeat_interval"]
    assert 11 == (await line.frame())["op"]


async def test_ready_is_followed_by_the_server_with_channels_and_the_bot_as_its_member(raw: RawBot) -> None:
    line = await raw.connect()
    await line.identify()

    ready = await line.event("READY")
    guild = await line.event("GUILD_CREATE")

    assert [{"id": guild["id"], "unavailable": True}] == ready["guilds"]
    assert ["studio", "gallery", "quiet", "late-night"] == [channel["name"] for channel in guild["channels"]]
    assert [str(raw.site.world.app.id)] == [member["user"]["id"] for member in guild["members"]]


@pytest.mark.parametrize("compress", ["zlib-stream", "zstd-stream"])
async def test_frames_come_as_one_compressed_stream_on_request(raw: RawBot, compress: str) -> None:
    line = await raw.connect(compress)

    hello = await line.frame()
    await line.identify()

    assert 10 == hello["op"]
    assert "Dreambot" == (await line.event("READY"))["user"]["username"]


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 1, "properties": {}}, 4004),
        (2, {"intents": 1}, 4002),
        (3, {"status": "online"}, 4003),
        (99, None, 4001),
        (1, "x" * 5000, 4002),
        (2, [], 4002),
        (2, {"token": 1, "intents": "x", "properties": {}}, 4004),
        (6, "x", 4002),
        (6, None, 4002),
    ],
)
async def test_a_wrong_frame_closes_with_its_code(raw: RawBot, op: int, data: object, code: int) -> None:
    line = await raw.connect()

    await line.send(op, data)

    assert code == await line.close_code()


@pytest.mark.parametrize(("intents", "code"), [(1 << 15, 4014), (1 << 30, 4013)])
async def test_unknown_and_disallowed_intents_are_refused(raw: RawBot, intents: int, code: int) -> None:
    line = await raw.connect()

    await line.identify(intents)

    assert code == await line.close_code()


async def test_identifying_twice_and_impossible_shards_are_refused(raw: RawBot) -> None:
    twice = await raw.identify()
    await twice.identify()
    assert 4005 == await twice.close_code()
    for shard in ([2, 2], [0], ["0", "1"], 7):
        wrong = await raw.connect()
        await wrong.identify(shard=shard)
        assert 4010 == await wrong.close_code()


async def test_too_many_frames_close_with_4008(raw: RawBot) -> None:
    line = await raw.connect()

    for _ in range(121):
        await line.send(1, None)

    assert 4008 == await line.close_code()


async def test_missing_heartbeats_close_the_connection(raw: RawBot, site: LocalDiscord) -> None:
    line = await raw.identify()
    site.gateway.heartbeat_ms = 1

    await line.send(1, None)

    assert 4009 == await line.close_code()


async def test_a_second_identify_within_the_window_is_invalid(raw: RawBot, site: LocalDiscord) -> None:
    site.gateway.identifies.window = 5.0
    await raw.identify()

    line = await raw.connect()
    await line.identify()
    await line.frame()
    refused = await line.frame()
    site.clock.forward(5)
    await line.identify()

    assert (9, False) == (refused["op"], refused["d"])
    assert "READY" == (await line.frame())["t"]


async def test_above_the_daily_identify_limit_the_token_is_reset(raw: RawBot, site: LocalDiscord) -> None:
    site.gateway.identifies.per_day, token = 2, site.world.app.token
    await raw.identify()
    left = (await raw.ask("GET", "/gateway/bot")).body["session_start_limit"]
    await raw.identify()

    over = await raw.connect()
    await over.identify()

    assert (2, 1, 1) == (left["total"], left["remaining"], left["max_concurrency"])
    assert 4004 == await over.close_code()
    assert token != site.world.app.token
    assert 401 == (await raw.ask("GET", "/users/@me")).status


async def test_a_cut_session_resumes_with_the_missed_events_in_order(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line = await raw.identify()
    await line.event("GUILD_CREATE")
    site.gateway.cut()
    for text in ("one", "two"):
        site.people.say(max_id, studio.id, text)

    again = await raw.connect()
    await again.resume(line.session_id, line.seq)
    first, second = await again.event("MESSAGE_CREATE"), await again.event("MESSAGE_CREATE")

    assert int(first["id"]) < int(second["id"])
    assert "RESUMED" == (await again.frame())["t"]


async def test_an_unknown_session_cannot_be_resumed(raw: RawBot) -> None:
    line = await raw.connect()
    await line.frame()

    await line.resume("nobody", 1)

    assert (9, False) == ((frame := await line.frame())["op"], frame["d"])


async def test_a_normal_close_ends_the_session(raw: RawBot, site: LocalDiscord) -> None:
    line = await raw.identify()

    offline = asyncio.Event()
    site.gateway.listeners.append(lambda online: None if online else offline.set())
    await line.socket.close(code=1000)
    await asyncio.wait_for(offline.wait(), 30)

    assert site.gateway.find(line.session_id) is None


async def test_opcodes_7_and_9_are_sent(raw: RawBot, site: LocalDiscord) -> None:
    line = await raw.identify()
    await line.event("GUILD_CREATE")

    site.gateway.ask_to_reconnect()
    site.gateway.invalidate()

    assert [7, 9] == [(await line.frame())["op"], (await line.frame())["op"]]
    assert site.gateway.find(line.session_id) is None


async def test_only_events_of_the_intents_arrive(raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int) -> None:
    few, many = await raw.identify(GUILDS | 1 << 10), await raw.identify(GUILDS_AND_MESSAGES)

    message = site.people.say(max_id, studio.id, "hello")
    site.people.react(max_id, message, "👍")

    assert "GUILD_CREATE" == (await few.frame())["t"]
    assert "MESSAGE_REACTION_ADD" == (await few.frame())["t"]
    assert str(message.id) == (await many.event("MESSAGE_CREATE"))["id"]


async def test_content_of_others_is_blank_without_intent_or_mention(
    raw: RawBot, site: LocalDiscord, studio: Channel, max_id: int
) -> None:
    line = await raw.identify()

    site.people.say(max_id, studio.id, "a secret")
    site.people.say(max_id, studio.id, f"<@{site.world.app.id}> hello")

    assert "" == (await line.event("MESSAGE_CREATE"))["content"]
    assert f"<@{site.world.app.id}> hello" == (await line.event("MESSAGE_CREATE"))["content"]


async def test_each_shard_gets_its_own_guilds_and_the_first_one_gets_direct_messages(
    raw: RawBot, site: LocalDiscord, max_id: int
) -> None:
    channels = [add_guild(site.world, site.ids, f"annex-{number}", (number, 2)) for number in (0, 1)]
    dm = site.world.dm(max_id, site.world.app.id)
    assert dm is not None
    lines = [await raw.connect() for _ in (0, 1)]
    for number, line in enumerate(lines):
        await line.identify(shard=[number, 2])
        announced = [guild["id"] for guild in (await line.event("READY"))["guilds"]]
        created = [(await line.event("GUILD_CREATE"))["id"] for _ in announced]
        assert str(channels[number].guild_id) in announced
        assert sorted(announced) == sorted(created)
        assert all(shard_of(int(guild), 2) == number for guild in announced)

    for channel in (*channels, dm):
        site.people.say(max_id, channel.id, "hello")
    heard = [[int((await lines[0].event("MESSAGE_CREATE"))["channel_id"]) for _ in (0, 1)]]
    heard.append([int((await lines[1].event("MESSAGE_CREATE"))["channel_id"])])

    assert [[channels[0].id, dm.id], [channels[1].id]] == heard


async def test_shards_are_recommended_and_one_can_lose_its_session_alone(raw: RawBot, site: LocalDiscord) -> None:
    site.gateway.shards = 2
    lines = [await raw.identify(shard=[number, 2]) for number in (0, 1)]
    lost, kept = lines[1], lines[0]

    site.gateway.invalidate(shard=1)
    while (frame := await lost.frame())["op"] == 0:
        pass
    only_first = site.gateway.live_shards
    await lost.identify(shard=[1, 2])
    await lost.event("READY")

    assert 2 == (await raw.ask("GET", "/gateway/bot")).body["shards"]
    assert (9, False) == (frame["op"], frame["d"])
    assert ({0}, {0, 1}) == (only_first, site.gateway.live_shards)
    assert site.gateway.find(kept.session_id) is not None


async def test_a_shard_resumes_its_own_session(raw: RawBot, site: LocalDiscord, max_id: int) -> None:
    channel = add_guild(site.world, site.ids, "annex", (1, 2))
    line = await raw.identify(shard=[1, 2])
    await line.event("GUILD_CREATE")
    site.gateway.cut(shard=1)
    missed = site.people.say(max_id, channel.id, "while shard 1 was away")

    again = await raw.connect()
    await again.resume(line.session_id, line.seq)
    told = await again.event("MESSAGE_CREATE")

    assert str(missed.id) == told["id"]
    assert {1} == site.gateway.live_shards


@pytest.mark.parametrize(
    ("op", "data"),
    [
        (8, None),
        (8, {"guild_id": "x"}),
        (8, {"guild_id": "1"}),
        (8, {"guild_id": "{guild}", "user_ids": 5}),
        (6, {"token": "{token}", "session_id": [], "seq": 1}),
        (6, {"token": "{token}", "session_id": "{session}", "seq": "x"}),
    ],
)
async def test_frames_with_wrong_types_end_the_connection_with_4002(raw: RawBot, op: int, data: object) -> None:
    line = await raw.identify()
    guild = await line.event("GUILD_CREATE")
    known = {"{guild}": guild["id"], "{token}": raw.site.world.app.token, "{session}": line.session_id}
    if isinstance(data, dict):
        data = {key: known.get(value, value) if isinstance(value, str) else value for key, value in data.items()}

    await line.send(op, data)

    assert 4002 == await line.close_code()


async def test_members_can_be_requested(raw: RawBot, max_id: int) -> None:
    line = await raw.identify()
    guild = await line.event("GUILD_CREATE")

    await line.send(8, {"guild_id": guild["id"], "user_ids": [str(max_id), "1"], "nonce": "n"})
    chunk = await line.event("GUILD_MEMBERS_CHUNK")

    assert ["max"] == [member["user"]["username"] for member in chunk["members"]]
    assert ("n", ["1"]) == (chunk["nonce"], chunk["not_found"])
