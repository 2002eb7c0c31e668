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

    @property
    def online(self) -> bool:
        return any(session.send is not None for session, _ in self._sessions.values())

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

    def cut(self) -> None:
        """Break every line without a close frame; the bot may RESUME."""
        for connection in tuple(self._connections):
            connection.cut()

    def ask_to_reconnect(self) -> None:
        """Op 7 (events/gateway.mdx, "Reconnect")."""
        for connection in self._connections:
            connection.send({"op": 7, "t": None, "s": None, "d": None})

    def invalidate(self) -> None:
        """Op 9 with d = false: the sessions are over, the bot must identify again ("Invalid Session")."""
        for session, _ in tuple(self._sessions.values()):
            self.drop(session)
        for connection in self._connections:
            connection.session = None
            connection.send({"op": 9, "t": None, "s": None, "d": False})

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
