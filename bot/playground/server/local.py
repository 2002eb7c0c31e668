"""The local Discord, put together: `async with LocalDiscord(world) as site: …`."""

from typing import Self

from aiohttp import web

from bot.playground.server.cdn import Files
from bot.playground.server.clock import Clock
from bot.playground.server.commands import CommandBook
from bot.playground.server.events import Event, Hub, Intent, fixed
from bot.playground.server.exchanges import Record
from bot.playground.server.faults import Faults
from bot.playground.server.ids import Snowflakes
from bot.playground.server.interactions import Interactions
from bot.playground.server.messages import Messages
from bot.playground.server.payloads import channel_payload
from bot.playground.server.people import People
from bot.playground.server.posting import Posting
from bot.playground.server.ratelimits import RateLimits
from bot.playground.server.rendering import Rendering
from bot.playground.server.rest import Rest
from bot.playground.server.sessions import Gateway
from bot.playground.server.small_world import small_world
from bot.playground.server.tls import Authority
from bot.playground.server.world import Channel, World

from .routes.messages import OLD_EDITS

LOOPBACK = "127.0.0.1"


class LocalDiscord:
    """Gateway, REST and CDN behind one TLS port on loopback, told apart by the Host header."""

    def __init__(self, authority: Authority | None = None, world: World | None = None) -> None:
        self.authority = authority or Authority()
        self.clock = Clock()
        self.ids = Snowflakes(self.clock)
        self.world = world or small_world(self.clock, self.ids)
        self.record = Record()
        self.hub = Hub()
        self.files = Files(self.clock)
        self.messages = Messages(self.world, self.files)
        self.show = Rendering(self.world, self.files, self.messages).message
        self.posting = Posting(self)
        self.commands = CommandBook(self.clock, self.ids, self.world.app.id)
        self.interactions = Interactions(self)
        self.faults = Faults()
        self.limits = RateLimits(self.clock)
        self.gateway = Gateway(self)
        self.people = People(self)
        self.old_edits = OLD_EDITS
        self.port = 0
        self._rest = Rest(self)
        self._runner: web.AppRunner | None = None

    @property
    def reads_content(self) -> bool:
        """Whether the app may read what others write (the portal's switch)."""
        return bool(self.world.app.privileged_intents & Intent.MESSAGE_CONTENT)

    async def start(self, port: int = 0) -> int:
        """Listen on loopback only; gives the port."""
        # Bodies are limited by their own rules (bodies.py), hence no limit of the framework's.
        app = web.Application(client_max_size=2**40)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = web.TCPSite(self._runner, LOOPBACK, port, ssl_context=self.authority.server_context())
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

    def commands_changed(self) -> None:
        """Tell the people's clients; bots are not told."""
        self.hub.publish(Event("APPLICATION_COMMANDS_UPDATE", fixed({}), people_only=True))

    def channel_changed(self, channel: Channel) -> None:
        """CHANNEL_UPDATE, after its permissions or name were changed."""
        data = channel_payload(self.world, channel)
        self.hub.publish(Event("CHANNEL_UPDATE", fixed(data), channel.guild_id, channel.id, Intent.GUILDS))

    def thread_changed(self, thread: Channel) -> None:
        """THREAD_UPDATE, after it was archived, locked or opened again."""
        data = channel_payload(self.world, thread)
        self.hub.publish(Event("THREAD_UPDATE", fixed(data), thread.guild_id, thread.id, Intent.GUILDS))

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        host = request.host.partition(":")[0]
        if host == "discord.com" and request.path.startswith("/api/"):
            return await self._rest.handle(request)
        if host == "gateway.discord.gg" and request.path == "/":
            return await self.gateway.accept(request)
        if host in ("cdn.discordapp.com", "media.discordapp.net"):
            return self._file(request)
        return web.Response(status=421, text=f"no such host here: {host}")

    def _file(self, request: web.Request) -> web.Response:
        """An expired or wrong address gives what the real one gives: 404 and a sentence."""
        file = self.files.fetch(request.path, dict(request.query))
        if file is None:
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(
            body=file.data, content_type=file.content_type, headers={"Cache-Control": "private, max-age=86400"}
        )
