"""The gateway's stream is damaged, or its resume URL cannot be reached: the shard connects again."""

from __future__ import annotations

import ast
import inspect
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.playground.server.tls import Authority
from bot.playground.server.world.json_types import Json
from tests.wire.conftest import dreambot_maker as maker
from tests.wire.conftest import opened
from tests.wire.looks import dreamt, whispered
from tests.wire.test_shards import home
from tests.wire.world import World

FLUSHED = b"\x00\x00\xff\xff"
ZLIB_BLOCK, ZSTD_BLOCK = b"\x00\x01\x00\xfe\xff{\x00" + FLUSHED, b"\x08\x00\x00{"
"""The text “{”, uncompressed, within a stream."""
BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "noise": lambda data: bytes(255 - byte for byte in data) + FLUSHED,
    "cut": lambda data: data[: len(data) // 2] + FLUSHED,
    "swapped": lambda data: data[len(data) // 2 :] + data[: len(data) // 2] + FLUSHED,
    "half an object": lambda data: ZLIB_BLOCK if data.endswith(FLUSHED) else ZSTD_BLOCK,
}
UNREADABLE: list[Json] = [{"op": 10, "d": None}, {"op": 0, "t": "READY", "d": {}}, {"op": 0, "t": "RESUMED", "d": None}]
NOWHERE = ["wss://gateway-nowhere.discord.gg", "wss://127.0.0.1:9"]


def zlib_context() -> type:
    """discord.py's own class for streams of zlib, which it defines only where zstandard is not installed."""
    tree = ast.parse(inspect.getsource(discord.utils))
    [found] = [
        one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == "_ZlibDecompressionContext"
    ]
    names: dict[str, Any] = {"zlib": zlib, "str": str}
    code = ast.Module([ast.ImportFrom("__future__", [ast.alias("annotations")], 0), found], [])
    exec(compile(ast.fix_missing_locations(code), "discord.utils", "exec"), names)
    return names[found.name]  # type: ignore[no-any-return]


@pytest.fixture(params=["zstd", "zlib"])
def compression(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setattr(discord.utils, "_ActiveDecompressionContext", zlib_context())


@pytest.fixture(params=[1, 2], ids=["one shard", "two shards"])
async def world(authority: Authority, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    def make(world: World, connector: object) -> object:
        world.site.gateway.shards = request.param
        return maker({})(world, connector)  # type: ignore[arg-type]

    async with opened(authority, tmp_path, make) as ready:  # type: ignore[arg-type]
        ready.allow("cannot read what Discord sent", "Attempting a reconnect")
        yield ready


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_a_broken_stream_carried_is_sent_again(compression: None, world: World, kind: str) -> None:
    """The shard resumes its session, so that nobody's command is lost; the other shard stays."""
    logins, lost = world.bot.logins, list[int]()

    async def on_shard_disconnect(shard_id: int) -> None:
        lost.append(shard_id)

    world.bot.add_listener(on_shard_disconnect)
    world.site.gateway.broken.append((BROKEN[kind], home(world)))
    answer = await world.max.slash("queue")

    assert whispered(answer)
    await world.until(lambda: world.bot.online, what="the bot to be back")
    assert [home(world)] == lost
    assert logins == world.bot.logins
    await dreamt(world.max, "a fox")


@pytest.mark.parametrize("frame", UNREADABLE)
async def test_a_frame_that_is_no_event_is_left_out(world: World, frame: Json) -> None:
    [session] = [one for one, _ in world.site.gateway._sessions.values() if one.shard[0] == home(world)]
    session.seq += 1
    session.past.append({**frame, "s": session.seq})
    assert session.send is not None

    session.send(session.past[-1])
    answer = await world.max.slash("queue")

    assert whispered(answer)
    await world.until(lambda: world.bot.online, what="the bot to be back")


async def test_a_shard_that_cannot_resume_either_begins_a_new_session(world: World) -> None:
    logins = world.bot.logins

    world.site.gateway.broken += [(BROKEN["noise"], home(world)), (BROKEN["noise"], None)]
    world.site.gateway.ask_to_reconnect(home(world))

    await world.until(lambda: not world.bot.online, what="the bot to be missed")
    await world.until(lambda: world.bot.online, what="the bot to be back")
    assert logins + 1 == world.bot.logins
    await dreamt(world.max, "a fox")


@pytest.mark.parametrize("url", NOWHERE)
async def test_a_session_that_is_resumed_nowhere_is_replaced(world: World, url: str) -> None:
    """Discord names the address in READY, and may change it."""
    logins = world.bot.logins
    world.site.gateway.resume_url = url
    world.site.gateway.invalidate(home(world))
    await world.until(lambda: world.bot.logins > logins and world.bot.online, what="a session with this address")
    logins = world.bot.logins

    world.site.gateway.cut(home(world))

    await world.until(lambda: world.bot.logins > logins and world.bot.online, 60, what="a new session")
    await dreamt(world.max, "a fox")
