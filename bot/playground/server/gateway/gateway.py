"""The gateway's sockets, and the faults that can be made for them."""

from aiohttp import web

from bot.playground.server.actions.state import SiteState
from bot.playground.server.gateway.connection import Connection
from bot.playground.server.gateway.sessions import Sessions
from bot.playground.server.world.record import Record


class Gateway(Sessions):
    """Accepts sockets; the sessions that they carry outlive them."""

    def __init__(self, state: SiteState, record: Record) -> None:
        super().__init__(state, record)
        self._connections: set[Connection] = set()

    async def accept(self, request: web.Request) -> web.WebSocketResponse:
        """GET / on gateway.discord.gg; the version and encoding are checked, compression is optional."""
        socket = web.WebSocketResponse(max_msg_size=2**20, compress=False)
        await socket.prepare(request)
        if request.query.get("v", "10") not in ("9", "10"):
            await socket.close(code=4012, message=b"Invalid API version.")
            return socket
        connection = Connection(self, socket, request.query.get("compress", ""))
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket

    def cut(self, shard: int | None = None) -> None:
        """Abort the connections of *shard* (all by default) without a close frame. The bot may RESUME."""
        for connection in self._connections_of(shard):
            connection.cut()

    async def close_with(self, code: int, shard: int | None = None) -> None:
        """Close the connections of *shard* (all by default) with a close code."""
        for connection in self._connections_of(shard):
            await connection.close(code)

    def ask_to_reconnect(self, shard: int | None = None) -> None:
        """Send opcode 7 to *shard* (all by default; events/gateway.mdx, "Reconnect")."""
        for connection in self._connections_of(shard):
            connection.send({"op": 7, "t": None, "s": None, "d": None})

    def invalidate(self, shard: int | None = None) -> None:
        """Drop the sessions of *shard* (all by default) and send opcode 9 with d = false ("Invalid Session").

        The shard must IDENTIFY again.
        """
        connections = self._connections_of(shard)
        self.drop_shard(shard)
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

    async def close(self) -> None:
        for connection in tuple(self._connections):
            await connection.close(1001)
