"""The connection between a client and the child that it starts: a socket pair, or on Windows loopback with a secret.

    client: async with offer() as link … start the child with link.environ and link.handles … await link.accept()
    child:  sock = take_socket()

No other process can connect: a socket pair has no address, and a loopback connection must start with the secret.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass, field

FD = "DREAMBOT_ENGINE_FD"
PORT = "DREAMBOT_ENGINE_PORT"
SECRET = "DREAMBOT_ENGINE_SECRET"  # noqa: S105 - the name of a variable, not a secret
BUFFER = 2**20
ACCEPT_SECONDS = 60.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class SocketPair:
    """POSIX: the child inherits one end by its number."""

    near: socket.socket
    far: socket.socket

    @classmethod
    async def make(cls) -> SocketPair:
        return cls(*socket.socketpair())

    @property
    def environ(self) -> dict[str, str]:
        return {FD: str(self.far.fileno())}

    @property
    def handles(self) -> tuple[int, ...]:
        return (self.far.fileno(),)

    async def accept(self) -> Streams:
        """The client's end, once the child has been started."""
        self.far.close()
        return await asyncio.open_connection(sock=self.near, limit=BUFFER)

    def close(self) -> None:
        self.near.close()
        self.far.close()


@dataclass(slots=True)
class Loopback:
    """Where descriptors cannot be inherited: a loopback port that takes the one connection that knows the secret."""

    secret: str = field(repr=False)
    _server: asyncio.Server
    _joined: asyncio.Future[Streams]

    @classmethod
    async def make(cls) -> Loopback:
        secret, joined = secrets.token_hex(32), asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if await _knows(reader, secret) and not joined.done():
                joined.set_result((reader, writer))
            else:
                writer.close()

        return cls(secret, await asyncio.start_server(greet, "127.0.0.1", 0, limit=BUFFER), joined)

    @property
    def environ(self) -> dict[str, str]:
        return {PORT: str(self._server.sockets[0].getsockname()[1]), SECRET: self.secret}

    @property
    def handles(self) -> tuple[int, ...]:
        return ()

    async def accept(self) -> Streams:
        """The child's connection; raises TimeoutError if it never comes."""
        try:
            return await asyncio.wait_for(self._joined, ACCEPT_SECONDS)
        finally:
            self._server.close()

    def close(self) -> None:
        self._server.close()


async def offer(*, loopback: bool = sys.platform == "win32") -> SocketPair | Loopback:
    """A connection for one child that is about to be started."""
    return await Loopback.make() if loopback else await SocketPair.make()


def take_socket(environ: MutableMapping[str, str] = os.environ) -> socket.socket:
    """The child's end, as its environment says; the names are taken out of *environ*. Raises LookupError, OSError."""
    if FD in environ:
        return socket.socket(fileno=int(environ.pop(FD)))
    if PORT not in environ:
        raise LookupError("This process must be started by its client; it found no connection in its environment.")
    sock = socket.create_connection(("127.0.0.1", int(environ.pop(PORT))), timeout=10)
    sock.sendall(environ.pop(SECRET).encode())
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def _knows(reader: asyncio.StreamReader, secret: str) -> bool:
    try:
        said = await asyncio.wait_for(reader.readexactly(len(secret)), 10)
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return False
    return hmac.compare_digest(said, secret.encode())
