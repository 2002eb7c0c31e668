"""The local Discord: `async with LocalDiscord() as site:` serves gateway, REST and CDN on loopback."""

from typing import Self

from aiohttp import web

from bot.playground.server.actions.callbacks import Callbacks
from bot.playground.server.actions.command_registry import CommandRegistry
from bot.playground.server.actions.interactions import Interactions
from bot.playground.server.actions.people import People
from bot.playground.server.actions.posting import Posting
from bot.playground.server.actions.state import SiteState
from bot.playground.server.gateway.gateway import Gateway
from bot.playground.server.rest.faults import Faults
from bot.playground.server.rest.rate_limits import RateLimits
from bot.playground.server.rest.server import Rest
from bot.playground.server.rest.site import Site
from bot.playground.server.tls import Authority
from bot.playground.server.world.clock import Clock
from bot.playground.server.world.entities import World
from bot.playground.server.world.events import EventBus
from bot.playground.server.world.files import Files
from bot.playground.server.world.messages import Messages
from bot.playground.server.world.record import Record
from bot.playground.server.world.small_world import small_world
from bot.playground.server.world.snowflakes import Snowflakes

LOOPBACK = "127.0.0.1"


class LocalDiscord(Site):
    """One TLS port on loopback; the Host header tells gateway, REST and CDN apart."""

    def __init__(self, authority: Authority | None = None, world: World | None = None) -> None:
        clock = Clock()
        ids = Snowflakes(clock)
        world = world or small_world(clock, ids)
        files = Files(clock)
        state = SiteState(clock, ids, world, files, Messages(world, files), EventBus())
        self.authority = authority or Authority()
        self.record = Record()
        self.faults = Faults()
        posting, interactions = Posting(state), Interactions(state)
        super().__init__(
            **vars(state),
            posting=posting,
            commands=CommandRegistry(clock, ids, world.app.id),
            interactions=interactions,
            callbacks=Callbacks(state, posting, interactions),
            gateway=Gateway(state, self.record),
            limits=RateLimits(clock),
        )
        self.people = People(state, self.posting, self.commands, self.interactions)
        self.port = 0
        self._rest = Rest(self, self.record, self.faults)
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> int:
        """Listen on loopback and return the port; 0 picks a free one."""
        # read_body enforces Discord's own limit on the size of a body, so the framework's limit is off.
        app = web.Application(client_max_size=2**40)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, LOOPBACK, port, ssl_context=self.authority.server_context)
        await listener.start()
        self.port = self._runner.addresses[0][1]
        return self.port

    async def close(self) -> None:
        self.clock.close()
        await self.gateway.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        if host == "discord.com" and request.path.startswith("/api/"):
            return await self._rest.handle(request)
        if host == "gateway.discord.gg" and request.path == "/":
            return await self.gateway.accept(request)
        if host in ("cdn.discordapp.com", "media.discordapp.net"):
            return self._file(request)
        return web.Response(status=421, text=f"This server does not serve the host {host}.")

    def _file(self, request: web.Request) -> web.Response:
        """The file, or 404 with Discord's text if the address is wrong or has expired."""
        file = self.files.fetch(request.path, dict(request.query))
        if file is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(
            body=file.data, content_type=file.content_type, headers={"Cache-Control": "private, max-age=86400"}
        )
