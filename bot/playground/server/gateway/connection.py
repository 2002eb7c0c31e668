"""One WebSocket of the gateway (docs: events/gateway.mdx): HELLO, heartbeats, IDENTIFY, RESUME."""

import asyncio
import json
from collections import deque
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.playground.server.gateway.compression import packer
from bot.playground.server.gateway.session import GatewaySession
from bot.playground.server.gateway.sessions import Sessions
from bot.playground.server.world.events import KNOWN_BITS, PRIVILEGED
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.payloads import guild_create_payload, member_payload, user_payload

ACK_SECONDS = 0.02
"""Delay of a heartbeat's acknowledgement. Without it the acknowledgement can arrive before discord.py has stored the
time of its heartbeat, and discord.py then warns that it is 41 seconds behind."""
MAX_PAYLOAD = 4096
"""Bytes per frame of the client; larger ones close with 4002 (events/gateway.mdx, "Sending Events")."""
SENDS_PER_MINUTE = 120
"""More close with 4008 (events/gateway.mdx, "Rate Limiting")."""
PATIENCE = 1.5
"""Intervals without a heartbeat until 4009; Discord publishes no number (assumptions.md)."""


class CloseGatewayError(Exception):
    """Closes a connection with one of Discord's codes (topics/opcodes-and-status-codes.mdx)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Connection:
    """One socket. Frames are written in order, as one compressed stream if the client asks for compression."""

    def __init__(self, sessions: Sessions, socket: web.WebSocketResponse, compress: str) -> None:
        self._sessions = sessions
        self._world, self._clock = sessions.state.world, sessions.state.clock
        self._socket = socket
        self._pack = packer(compress)
        self._frames: asyncio.Queue[Json] = asyncio.Queue()
        self._sent_at: deque[float] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self.session: GatewaySession | None = None

    def send(self, frame: Json) -> None:
        self._frames.put_nowait(frame)

    async def close(self, code: int, reason: str = "") -> None:
        await self._socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """Abort the transport without a close frame, as in a network failure."""
        if self.session is not None:
            self.session.send = None
            self._sessions.announce()
        transport = self._socket._req.transport if self._socket._req else None
        if transport is not None:
            transport.abort()

    async def run(self) -> None:
        """Serve the connection until the socket closes."""
        interval = self._sessions.heartbeat_ms
        self.send({"op": 10, "t": None, "s": None, "d": {"heartbeat_interval": interval, "_trace": ["local"]}})
        writer = asyncio.create_task(self._write())
        self._expect_heartbeat()
        try:
            await self._read()
        except CloseGatewayError as stop:
            await self.close(stop.code, stop.reason)
        finally:
            writer.cancel()
            if self._alarm:
                self._alarm.cancel()
            self._detach()

    def _expect_heartbeat(self) -> None:
        """Close with 4009 unless the next heartbeat arrives in time."""
        if self._alarm:
            self._alarm.cancel()
        loop, seconds = asyncio.get_running_loop(), self._sessions.heartbeat_ms * PATIENCE / 1000
        self._alarm = loop.call_later(seconds, lambda: loop.create_task(self.close(4009, "Session timed out.")))

    async def _write(self) -> None:
        while not self._socket.closed:
            text = json.dumps(await self._frames.get())
            try:
                await self._put(text)
            except ConnectionError:
                return

    async def _put(self, text: str) -> None:
        data = self._pack(text.encode()) if self._pack else text.encode()
        data = self._sessions.garble(data, self.session)
        if self._pack is None:
            await self._socket.send_str(data.decode())
        else:
            await self._socket.send_bytes(data)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            self._count()
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if len(data) > MAX_PAYLOAD:
                raise CloseGatewayError(4002, "Payload too large.")
            try:
                self._take(_parsed(data))
            except (TypeError, AttributeError, KeyError, ValueError) as error:
                # The handlers do not check the types in a frame; a wrong one raises inside.
                raise CloseGatewayError(4002, "Error while decoding payload.") from error

    def _count(self) -> None:
        now = self._clock.now()
        self._sent_at.append(now)
        while self._sent_at[0] < now - 60:
            self._sent_at.popleft()
        if len(self._sent_at) > SENDS_PER_MINUTE:
            raise CloseGatewayError(4008, "Rate limited.")

    def _take(self, frame: Json) -> None:
        op, data = frame.get("op"), frame.get("d")
        if op == 1:
            self._expect_heartbeat()
            asyncio.get_running_loop().call_later(ACK_SECONDS, self.send, {"op": 11, "t": None, "s": None, "d": None})
        elif op == 2:
            self._identify(data)
        elif op == 6:
            self._resume(data)
        elif op in (3, 4, 8, 31, 43):
            self._after_identify(op, data)
        else:
            raise CloseGatewayError(4001, f"Unknown opcode {op}.")

    def _identify(self, data: Any) -> None:
        if self.session is not None:
            raise CloseGatewayError(4005, "Already authenticated.")
        if not isinstance(data, dict) or "token" not in data or "intents" not in data or "properties" not in data:
            raise CloseGatewayError(4002, "An identify needs token, intents and properties.")
        if self._sessions.refuse_identify:
            raise CloseGatewayError(self._sessions.refuse_identify, "Refused.")
        self._check_token(data)
        _check_intents(data["intents"], self._world.app.privileged_intents)
        shard = _shard(data.get("shard"))
        if not self._sessions.identifies.take():
            self.send({"op": 9, "t": None, "s": None, "d": False})
            return
        if self._sessions.identifies.remaining < 0:
            self._sessions.reset_token()
            raise CloseGatewayError(4004, "Authentication failed.")
        self.session = self._sessions.begin(data["intents"], shard, self.send)
        self.session.cut = self.cut
        self.session.dispatch("READY", self._ready(self.session))
        for guild in self.session.guilds():
            self.session.dispatch("GUILD_CREATE", guild_create_payload(self._world, guild, self._world.app.id))
        self._sessions.announce()

    def _ready(self, session: GatewaySession) -> Json:
        """docs: events/gateway-events.mdx, "Ready"."""
        world = self._world
        guilds = [{"id": str(guild.id), "unavailable": True} for guild in session.guilds()]
        return {
            "v": 10,
            "user": {**user_payload(world.users[world.app.id]), "verified": True, "mfa_enabled": True, "email": None},
            "guilds": guilds,
            "session_id": session.id,
            "resume_gateway_url": self._sessions.resume_url,
            "session_type": "normal",
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "shard": list(session.shard),
            "application": {"id": str(world.app.id), "flags": 1 << 23, "flags_new": str(1 << 23)},
        }

    def _resume(self, data: Any) -> None:
        if not isinstance(data, dict):
            raise CloseGatewayError(4002, "A resume needs token, session_id and seq.")
        self._check_token(data)
        session = self._sessions.find(data.get("session_id", ""))
        missed = session.missed(data.get("seq") or 0) if session else None
        if session is None or missed is None:
            self.send({"op": 9, "t": None, "s": None, "d": False})
            return
        self.session, session.send, session.cut = session, self.send, self.cut
        for frame in missed:
            self.send(frame)
        session.dispatch("RESUMED", {"_trace": ["local"]})
        self._sessions.announce()

    def _after_identify(self, op: int, data: Any) -> None:
        if self.session is None:
            raise CloseGatewayError(4003, "Not authenticated.")
        if op == 3:
            self.session.presence = data
        elif op == 8:
            self._send_members(self.session, data)

    def _send_members(self, session: GatewaySession, data: Json) -> None:
        """Request Guild Members by ids or by a prefix of the name; one chunk (events/gateway-events.mdx)."""
        world = self._world
        guild = world.guilds[int(data["guild_id"])]
        asked = data.get("user_ids")
        wanted = {int(asked)} if isinstance(asked, str) else {int(user) for user in asked or ()}
        start = str(data.get("query", "")).lower()
        found = [
            m
            for m in guild.members.values()
            if m.user_id in wanted or (not wanted and _named(world.users[m.user_id].username, start))
        ]
        session.dispatch(
            "GUILD_MEMBERS_CHUNK",
            {
                "guild_id": str(guild.id),
                "members": [member_payload(world, member) for member in found],
                "chunk_index": 0,
                "chunk_count": 1,
                "not_found": [str(user) for user in wanted - set(guild.members)],
                **({"nonce": data["nonce"]} if "nonce" in data else {}),
            },
        )

    def _check_token(self, data: Json) -> None:
        if str(data.get("token", "")).removeprefix("Bot ") != self._world.app.token:
            raise CloseGatewayError(4004, "Authentication failed.")

    def _detach(self) -> None:
        session = self.session
        if session is None or session.send != self.send:
            return
        session.send = None
        # A client that closes with 1000 or 1001 ends its session ("Initiating a Disconnect").
        if self._socket.close_code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY):
            self._sessions.drop(session)
        self._sessions.announce()


def _named(username: str, start: str) -> bool:
    return username.lower().startswith(start)


def _parsed(data: bytes) -> Json:
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CloseGatewayError(4002, "Error while decoding payload.") from error
    if not isinstance(frame, dict):
        raise CloseGatewayError(4002, "Error while decoding payload.")
    return frame


def _check_intents(intents: Any, allowed: int) -> None:
    if not isinstance(intents, int) or intents & ~KNOWN_BITS:
        raise CloseGatewayError(4013, "Invalid intent(s).")
    if intents & PRIVILEGED & ~allowed:
        raise CloseGatewayError(4014, "Disallowed intent(s).")


def _shard(given: Any) -> tuple[int, int]:
    if given is None:
        return (0, 1)
    match given:
        case [int(number), int(count)] if 0 <= number < count:
            return (number, count)
    raise CloseGatewayError(4010, "Invalid shard.")
