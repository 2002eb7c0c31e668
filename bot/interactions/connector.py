"""Connects a bot to Discord or the local Discord through documented options of discord.py, without patches.

On the local Discord, the bot still uses https://discord.com and wss://gateway.discord.gg. Only the resolver (Discord's
names lead to 127.0.0.1) and the trusted certificate authority differ. Other host names are refused, so nothing outside
is contacted.
"""

import http
import json
import socket
import ssl
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

HOSTS = ("discord.com", "gateway.discord.gg", "cdn.discordapp.com", "media.discordapp.net")
"""Equal to server.tls.HOSTS; repeated so that a bot needs no server code."""


@dataclass(frozen=True)
class Link:
    """Port, certificate and token of a local Discord."""

    port: int
    ca: str
    """The authority's certificate, PEM."""
    token: str = field(repr=False)

    def write(self, path: Path) -> None:
        """Write it to a file that only this user can read."""
        path.touch(mode=0o600)
        path.chmod(0o600)  # it may have existed with other rights
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_link(path: Path) -> Link:
    return Link(**json.loads(path.read_text(encoding="utf-8")))


class LoopbackResolver(AbstractResolver):
    """Resolves Discord's names to one port on 127.0.0.1 and nothing else; remembers what was asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """127.0.0.1 and the port of the local Discord, whatever *port* is. Raises OSError for names outside `HOSTS`."""
        self.asked.add(host)
        if host not in HOSTS:
            raise OSError(None, f"{host} is not a host of the local Discord; other hosts are refused")
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Holds no resources."""


def local_connector(port: int, ca: str) -> aiohttp.TCPConnector:
    """A connector to the local Discord. Its session closes it, so every start of a bot needs a new one."""
    trust = ssl.create_default_context(cadata=ca)
    return aiohttp.TCPConnector(resolver=LoopbackResolver(port), ssl=trust, limit=0, use_dns_cache=False)


def connector_from_file(path: Path | str) -> aiohttp.TCPConnector:
    link = read_link(Path(path))
    return local_connector(link.port, link.ca)


def refuse_pages() -> aiohttp.TraceConfig:
    """Raises ClientPayloadError for a page with a status of success, which a proxy sends in place of Discord's answer.

    discord.py would read it as the answer. What was asked for may have been done, as after a lost response.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(_refuse_page)
    return trace


async def _refuse_page(
    session: aiohttp.ClientSession, context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
) -> None:
    answer = end.response
    empty = answer.status == http.HTTPStatus.NO_CONTENT
    if end.url.path.startswith("/api/") and answer.ok and not empty and answer.content_type != "application/json":
        answer.close()
        raise aiohttp.ClientPayloadError(f"a proxy answers with {answer.content_type} in place of Discord")
