"""A bot without a library: single requests and gateway frames, to look at the local Discord's answers themselves."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import pytest

from bot.interactions.connector import local_connector
from bot.playground.server.local import LocalDiscord
from bot.playground.server.world.json_types import Json

API = "https://discord.com/api/v10"
GATEWAY = "wss://gateway.discord.gg/?v=10&encoding=json"
USER_AGENT = "DiscordBot (https://example.org, 1.0)"
GUILDS_AND_MESSAGES = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> int:
        """Discord's error code."""
        return int(self.body["code"])


class RawBot:
    """Speaks HTTP and WebSocket to the local Discord with the bot's token."""

    def __init__(self, site: LocalDiscord) -> None:
        self.site = site
        self.session = aiohttp.ClientSession(connector=local_connector(site.port, site.authority.pem))
        self.headers = {"Authorization": f"Bot {site.world.app.token}", "User-Agent": USER_AGENT}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(self, method: str, path: str, body: Any = None, files: Mapping[str, bytes] | None = None) -> Reply:
        """One request; *files* go as files[0], files[1] … by name."""
        data: Any = None
        if files:
            data = aiohttp.FormData(quote_fields=False)
            data.add_field("payload_json", json.dumps(body or {}), content_type="application/json")
            for number, (name, content) in enumerate(files.items()):
                data.add_field(f"files[{number}]", content, filename=name, content_type="application/octet-stream")
        given = {"data": data} if files else {"json": body} if body is not None else {}
        async with self.session.request(method, API + path, headers=self.headers, **given) as response:
            text = await response.text()
            return Reply(response.status, json.loads(text) if text else None, response.headers)

    async def fetch(self, url: str) -> tuple[int, bytes]:
        """A file."""
        async with self.session.get(url) as response:
            return response.status, await response.read()

    async def connect(self, compress: str = "") -> Line:
        """A gateway connection that has said nothing yet; *compress* is empty, "zlib-stream" or "zstd-stream"."""
        socket = await self.session.ws_connect(GATEWAY + (f"&compress={compress}" if compress else ""))
        return Line(self, socket, inflater(compress))

    async def identify(self, intents: int = GUILDS_AND_MESSAGES, **more: Any) -> Line:
        """A gateway connection that is READY."""
        line = await self.connect()
        await line.identify(intents, **more)
        await line.event("READY")
        return line


def inflater(compress: str) -> Any:
    """What reads a compressed stream, message by message; None for none."""
    if compress == "zstd-stream":
        return pytest.importorskip("zstandard").ZstdDecompressor().decompressobj()
    return zlib.decompressobj() if compress else None


class Line:
    """One gateway connection."""

    def __init__(self, raw: RawBot, socket: aiohttp.ClientWebSocketResponse, inflate: Any) -> None:
        self.raw = raw
        self.socket = socket
        self.seq = 0
        self.session_id = ""
        self._inflate = inflate

    async def send(self, op: int, data: Any) -> None:
        await self.socket.send_json({"op": op, "d": data})

    async def identify(self, intents: int = GUILDS_AND_MESSAGES, **more: Any) -> None:
        data = {"token": self.raw.site.world.app.token, "intents": intents, "properties": {"os": "linux"}}
        await self.send(2, {**data, **more})

    async def resume(self, session_id: str, seq: int) -> None:
        await self.send(6, {"token": self.raw.site.world.app.token, "session_id": session_id, "seq": seq})

    async def frame(self) -> Json:
        """The next frame; AssertionError with the close code where the line ended."""
        message = await asyncio.wait_for(self.socket.receive(), 30)
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), (
            f"closed with {self.socket.close_code}"
        )
        assert bool(self._inflate) == (message.type is aiohttp.WSMsgType.BINARY)
        data = self._inflate.decompress(message.data) if self._inflate else message.data
        frame: Json = json.loads(data)
        self.seq = frame["s"] or self.seq
        if frame["t"] == "READY":
            self.session_id = frame["d"]["session_id"]
        return frame

    async def event(self, name: str) -> Json:
        """The data of the next event of that name; others are passed over."""
        while True:
            frame = await self.frame()
            if frame["t"] == name:
                data: Json = frame["d"]
                return data

    async def close_code(self) -> int | None:
        """The code with which the server ends the line."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), 30)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return self.socket.close_code
