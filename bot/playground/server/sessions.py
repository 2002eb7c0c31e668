"""All gateway sessions and sockets of the bot, and the troubles that can be made for them."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from bot.playground.server.gateway import HEARTBEAT_MS, Connection
from bot.playground.server.identifies import Identifies
from bot.playground.server.session import Session

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord


class Gateway:
    """Accepts sockets, keeps sessions for RESUME, knows whether the bot is online."""

    def __init__(self, site: "LocalDiscord") -> None:
        self._site = site
        self._sessions: dict[str, tuple[Session, Callable[[], None]]] = {}
        self._connections: set[Connection] = set()
        self.listeners: list[Callable[[bool], None]] = []
        self.identifies = Identifies(site.clock)
        self.heartbeat_ms: float = HEARTBEAT_MS
        self.shards = 1
        """The number of shards that GET /gateway/bot recommends."""

    @property
    def online(self) -> bool:
        return any(session.send is not None for session, _ in self._sessions.values())

    @property
    def live_shards(self) -> set[int]:
        """Numbers of the shards that have a session with an open socket."""
        return {session.shard[0] for session, _ in self._sessions.values() if session.send is not None}

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """GET / on gateway.discord.gg; the version and encoding are checked, compression is optional."""
        socket = web.WebSocketResponse(max_msg_size=2**20, compress=False)
        await socket.prepare(request)
        if request.query.get("v", "10") not in ("9", "10"):
            await socket.close(code=4012, message=b"Invalid API version.")
            return socket
        connection = Connection(self._site, socket, request.query.get("compress", ""))
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket

    def add(self, session: Session) -> None:
        self._sessions[session.id] = (session, self._site.hub.join(session))

    def find(self, session_id: str) -> Session | None:
        return self._sessions[session_id][0] if session_id in self._sessions else None

    def drop(self, session: Session) -> None:
        """Forget a session: it can no longer be resumed."""
        _, leave = self._sessions.pop(session.id)
        leave()

    def announce(self) -> None:
        for listener in self.listeners:
            listener(self.online)

    def cut(self, shard: int | None = None) -> None:
        """Abort the connections of *shard* (all by default) without a close frame. The bot may RESUME."""
        for connection in self._connections_of(shard):
            connection.cut()

    def ask_to_reconnect(self, shard: int | None = None) -> None:
        """Send opcode 7 to *shard* (all by default; events/gateway.mdx, "Reconnect")."""
        for connection in self._connections_of(shard):
            connection.send({"op": 7, "t": None, "s": None, "d": None})

    def invalidate(self, shard: int | None = None) -> None:
        """Drop the sessions of *shard* (all by default) and send opcode 9 with d = false ("Invalid Session").

        The shard must IDENTIFY again.
        """
        connections = self._connections_of(shard)
        for session, _ in tuple(self._sessions.values()):
            if shard in (None, session.shard[0]):
                self.drop(session)
        for connection in connections:
            connection.session = None
            connection.send({"op": 9, "t": None, "s": None, "d": False})

    def _connections_of(self, shard: int | None) -> list[Connection]:
        """The open connections, or those that have identified as *shard*."""
        return [
            connection
            for connection in self._connections
            if shard is None or (connection.session is not None and connection.session.shard[0] == shard)
        ]

    def reset_token(self) -> None:
        """Over the day's limit: all sessions end and the token is another one ("Rate Limiting")."""
        self._site.world.app.token = f"local.{secrets.token_urlsafe(24)}"
        for session, _ in tuple(self._sessions.values()):
            self.drop(session)
        for connection in tuple(self._connections):
            if connection.session is not None:
                connection.cut()

    async def close(self) -> None:
        for connection in tuple(self._connections):
            await connection.close(1001)
