"""DreamBot: opens the store, starts the engine, loads every cog, follows the shards, closes in the right order.

`DreamTree` of `bot.cogs.command_tree` and `handle` of `bot.views.base` turn errors into messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import math
import pkgutil
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial

import aiohttp
import discord
from discord.ext import commands

from bot import cogs
from bot.cogs.command_tree import DreamTree
from bot.config.settings import Config
from bot.interactions.connector import refuse_pages
from bot.interactions.unreadable import StreamRepair, tolerant
from bot.operations.command_sync import register_commands
from bot.operations.database_watch import watch_database
from bot.operations.engine_process import local_engine
from bot.operations.login_watch import LoginWatch, pause_before_login
from bot.operations.metrics import ErrorCount, Metrics
from bot.operations.metrics_server import MetricsServer
from bot.operations.process import LoopWatch
from bot.operations.status import Shards, Status, look
from bot.retry import patiently, supervise
from bot.services import BotClient, BotCog, Buttons, Services
from bot.storage import Store
from bot.views.base import on_interaction
from bot.views.community.challenges import challenge_buttons, result_buttons
from bot.views.community.stars import star_buttons
from bot.views.community.votes import ballot_buttons
from bot.views.confirm import question_payload
from bot.views.discovery import ITEMS
from bot.views.layout import buttons_for, private_buttons_for
from bot.views.report import report_buttons
from engine.client.local import Engine

log = logging.getLogger(__name__)

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # the bot has no voice

GUILDS_SECONDS = 0.25
"""Pause after the last GUILD_CREATE from which on a shard counts as ready; more servers may follow at any time."""
RATE_LIMIT_SECONDS = 30.0
"""discord.py waits for rate limits up to this long; longer ones are raised and planned by `bot.delivery`."""
RESUME_SECONDS = 30.0
"""Queued jobs wait this long for the gateway, which tells whether the bot is still a member of their servers."""
HANDLER_SECONDS = 10.0
"""Seconds in which commands and presses under way may finish at shutdown."""
SETTLE_SECONDS = 2.0
"""Seconds in which final updates may reach Discord at shutdown; the others are sent after the next start."""

FEW_LOGINS = (
    "Only %d of %d logins are left today, and Discord resets the token of a bot that uses them up: the bot logs in in "
    "%.0f minutes. Look for what restarts it."
)

SESSION_EVENTS = ("READY", "RESUMED")
"""Events without which a shard is never live; after an error in one of them it connects again."""


class DreamBot(BotClient):
    """The bot: `async with DreamBot(config) as bot: await bot.start(token)`.

    `services` and `store` exist from `setup_hook` on.
    """

    def __init__(
        self,
        config: Config,
        *,
        connector: aiohttp.BaseConnector | None = None,
        engine: Engine | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=GUILDS_SECONDS,
            max_ratelimit_timeout=RATE_LIMIT_SECONDS,
            tree_cls=DreamTree,
            activity=discord.CustomActivity("/dream"),
            connector=connector,
            http_trace=refuse_pages(),
        )
        self.config = config
        self.clock = clock
        parsers = self._connection.parsers
        parsers.update({name: tolerant(name, parse) for name, parse in parsers.items() if name not in SESSION_EVENTS})
        self.engine = engine or local_engine(config.engine, config.folder)
        self.opened = False
        """Whether `setup_hook` has succeeded."""
        self.at_work = False
        """Whether the gateway was ready once, and the work that an earlier process left was resumed."""
        self._was_ready = False
        self.live_shards: set[int] = set()
        self._streams = StreamRepair(self.live_shards)
        self.logins = 0
        """IDENTIFYs of this process, counted before they are sent."""
        self.login_watch = LoginWatch(self._remaining_logins, lambda: self.logins)
        self.drain_seconds = config.queue.drain_seconds
        self._closers = contextlib.AsyncExitStack()
        self._connecting: asyncio.Task[object] | None = None
        self._shutdown: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []
        self.metrics = Metrics(clock)
        self.metrics_server = MetricsServer(config.monitor, self.look)
        self._error_count = ErrorCount(self.metrics)

    async def setup_hook(self) -> None:
        """Open and start everything that does not need the gateway. Raises FolderInUse, StoreError, ConfigError.

        Whatever was opened before a failure is closed by `close`.
        """
        closers = self._closers
        self.store = await Store.open(self.config.folder)
        closers.push_async_callback(self.store.close)
        closers.push_async_callback(self.engine.close)
        logging.getLogger().addHandler(self._error_count)
        closers.callback(logging.getLogger().removeHandler, self._error_count)
        self.services = Services(
            self,
            Buttons(
                buttons_for,
                private_buttons_for,
                report_buttons,
                question_payload,
                star_buttons,
                ballot_buttons,
                challenge_buttons,
                result_buttons,
            ),
        )
        closers.push_async_callback(self.metrics_server.close)
        await self.metrics_server.start()
        closers.push_async_callback(super().close)
        closers.callback(self._cancel_background)
        await self.engine.start()
        await self.services.moderation.restore()
        closers.push_async_callback(self._close_services)
        await self.services.jobs.start(paused=True)
        asyncio.get_running_loop().call_later(RESUME_SECONDS, self.services.jobs.resume)
        for found in pkgutil.walk_packages(cogs.__path__, f"{cogs.__name__}."):
            for cog in vars(importlib.import_module(found.name)).values():
                if isinstance(cog, type) and issubclass(cog, BotCog) and cog.__module__ == found.name:
                    await self.add_cog(cog(self))
        self.add_dynamic_items(*ITEMS)
        self.add_listener(on_interaction)
        self._registering = self._begin(
            register_commands(self.tree, self.store.settings, self.config.discord.test_guild)
        )
        self._begin(supervise("the database watch", partial(watch_database, self.store.database)))
        self._begin(supervise("the loop watch", LoopWatch(self.metrics.loop_lags).run))
        self.opened = True

    @property
    def online(self) -> bool:
        return bool(self.live_shards) and len(self.live_shards) == self.shard_count

    def _is_in(self, guild_id: int) -> bool:
        return self.get_guild(guild_id) is not None

    def _shards(self) -> Shards:
        servers = Counter(guild.shard_id for guild in self.guilds)
        ids = range(self.shard_count or 0)
        latencies = {shard_id: latency for shard_id, latency in self.latencies if math.isfinite(latency)}
        return Shards({i: i in self.live_shards for i in ids}, latencies, {i: servers[i] for i in ids})

    async def look(self) -> Status:
        jobs = self.services.jobs
        return await look(
            self.store,
            self.engine,
            self.metrics,
            self._shards(),
            connected=self.online and not self.is_closed(),
            ready=jobs.ready,
            waiting=len(jobs.registry.waiting()),
            running=len(jobs.registry.running()),
            free_megabytes=self.config.retention.free_megabytes,
        )

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        if self._shutdown is not None:  # `on_ready` may still run while the bot closes
            task.cancel()
        self._background.append(task)
        return task

    def _cancel_background(self) -> None:
        for task in self._background:
            task.cancel()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        self.logins += 1
        await super().before_identify_hook(shard_id, initial=initial)

    async def _remaining_logins(self) -> int:
        _, _, limit = await self.http.get_bot_gateway()
        return limit["remaining"]

    async def on_ready(self) -> None:
        """All shards are ready. discord.py may repeat this; the work of an earlier process is resumed once."""
        log.info("ready as %s in %d servers", self.user, len(self.guilds))
        if self._was_ready:
            return
        self._was_ready = True
        self._begin(supervise("the deletion queue", self.services.deletion_queue.run))
        self._begin(supervise("the login watch", self.login_watch.run))
        await patiently(self.services.jobs.abandon_servers, self._is_in)
        self.services.jobs.resume()
        await self.services.delivery.start()
        self._begin(supervise("the rounds", self.services.rounds.run))
        self._begin(supervise("the deletion of data", self.services.privacy.run))
        self.at_work = True
        for shard_id in sorted(self.live_shards):
            self.dispatch("at_work", shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        """The shard has a new session, so it may have missed events. discord.py sends no `ready` for a later one."""
        self.live_shards.add(shard_id)
        if self.at_work:
            self.dispatch("at_work", shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """The session continues; nothing was missed."""
        self.live_shards.add(shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """discord.py connects again itself."""
        self.live_shards.discard(shard_id)

    async def connect(self, *, reconnect: bool = True) -> None:
        """Stay connected. Raises what discord.py cannot recover from; `close` is then still to be called."""
        self._connecting = asyncio.current_task()
        try:
            while True:
                try:
                    return await super().connect(reconnect=reconnect)
                except Exception as error:
                    if isinstance(error, discord.DiscordException) or not await self._streams.repair(error):
                        raise
        finally:
            self._connecting = None

    async def launch_shards(self) -> None:
        """`connect` calls this; after a repair the shards are there."""
        if self.shards:
            return
        limits = await self.fetch_session_start_limits()
        if seconds := pause_before_login(limits.remaining, limits.reset_after / 1000):
            log.error(FEW_LOGINS, limits.remaining, limits.total, seconds / 60)
            await asyncio.sleep(seconds)
        await super().launch_shards()

    async def close(self) -> None:
        """Accept no new jobs, give running jobs and their messages a few seconds, then close everything. Idempotent."""
        if asyncio.current_task() is self._connecting:
            return  # discord.py closes before it raises the cause; the cause comes first, and `connect`'s caller closes
        if self._shutdown is None:
            self._shutdown = asyncio.create_task(self._close())
        await asyncio.shield(self._shutdown)

    async def _close(self) -> None:
        await self._closers.aclose()
        await super().close()

    async def _close_services(self) -> None:
        services = self.services
        await services.attachments.close()  # first: handlers wait for their pictures
        await services.handlers.close(HANDLER_SECONDS)
        await services.jobs.close(self.drain_seconds)
        await services.message_check.close()
        await services.delivery.settle(SETTLE_SECONDS)
        await services.delivery.close()
        await services.batch_scorer.close()
        await services.timelapses.close()
