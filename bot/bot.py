"""DreamBot: opens the store, starts the engine, loads every cog, closes in the right order.

`DreamTree.on_error` and the guard of `bot.views.base` are the border where errors become words.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pkgutil
import time
from collections.abc import Callable

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot import cogs
from bot.config.settings import Config
from bot.interactions.error_reporting import describe_error
from bot.interactions.responder import InteractionResponder
from bot.operations.command_sync import register_commands
from bot.operations.metrics import ErrorCount, Measures
from bot.operations.metrics_server import Monitor
from bot.operations.status import Figures
from bot.services import Buttons, Client, build_services
from bot.storage import Store
from bot.views.confirm_cost import question_sheet
from bot.views.layout import ALL, OTHERS, buttons_for, private_buttons_for
from bot.views.report import report_buttons
from engine.client.local import Engine, LocalEngine

log = logging.getLogger(__name__)

discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no word about voice, which nobody wants here

GUILDS_SECONDS = 0.25
"""How long after the last server's data the bot counts as ready; more servers may follow at any time."""
RATE_LIMIT_SECONDS = 30.0
"""Longer waits are ours to plan, not the library's."""
SETTLE_SECONDS = 2.0
"""How long ends may take to reach Discord when the bot is told to stop; others are told after the next start."""


class DreamTree(app_commands.CommandTree["DreamBot"]):
    """The commands; what they raise becomes words for the person who used them."""

    async def on_error(self, interaction: discord.Interaction[DreamBot], error: app_commands.AppCommandError) -> None:
        """Say it privately, whatever was said before."""
        name = interaction.command.qualified_name if interaction.command else "unknown"
        await InteractionResponder.of(interaction).send_private(describe_error(error, f"the command /{name}"))


class DreamBot(Client):
    """The bot. `services` and `store` exist from `setup_hook` on."""

    config: Config
    store: Store
    engine: Engine

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
        )
        self.config = config
        self.clock = clock
        self.engine = engine or local_engine(config)
        self._opened = False
        self.at_work = False
        self.online = False
        self.drain_seconds = config.queue.drain_seconds
        self._registering: asyncio.Task[None] | None = None
        self._removing: asyncio.Task[None] | None = None
        self.measures = Measures(clock)
        self.monitor = Monitor(config.monitor.port, self._look)
        self._error_count = ErrorCount(self.measures)

    async def setup_hook(self) -> None:
        """Everything that does not need the gateway. Raises FolderInUse, StoreError."""
        self.store = await Store.open(self.config.folder)
        self._opened = True
        logging.getLogger().addHandler(self._error_count)
        self.services = build_services(
            self,
            self.config,
            self.store,
            self.engine,
            self.measures,
            Buttons(buttons_for, private_buttons_for, report_buttons, question_sheet),
            self._is_connected,
            self.clock,
        )
        await self.monitor.start()
        await self.engine.start()
        await self.services.moderation.restore()
        await self.services.jobs.start()
        for module in pkgutil.iter_modules(cogs.__path__, f"{cogs.__name__}."):
            await self.load_extension(module.name)
        self.add_dynamic_items(*ALL, *OTHERS)
        self._registering = asyncio.create_task(
            register_commands(self.tree, self.store.settings, self.config.discord.test_guild)
        )

    def _is_connected(self) -> bool:
        return self.online and not self.is_closed()

    async def _look(self) -> Figures:
        return await self.services.look()

    async def on_ready(self) -> None:
        """May come many times; the work of the last life is taken up once, missed reactions each time."""
        log.info("ready as %s in %d servers", self.user, len(self.guilds))
        self.online = True
        if not self.at_work:
            self.at_work = True
            await self.services.delivery.start()
            self._removing = asyncio.create_task(self.services.deletion_queue.run())
        self.dispatch("at_work")

    async def on_resumed(self) -> None:
        """The line was broken for a moment; nothing was missed."""
        self.online = True

    async def on_disconnect(self) -> None:
        """discord.py connects again by itself, and says so each time it fails."""
        self.online = False

    async def close(self) -> None:
        """Take nothing new, let pictures and messages that are nearly there arrive, then leave. Idempotent."""
        if self._opened:
            self._opened = False
            await self.services.jobs.close(self.drain_seconds)
            await self.services.delivery.settle(SETTLE_SECONDS)
            await self.services.delivery.close()
            await self.services.grades.close()
            await self.services.evolutions.close()
        for task in (self._registering, self._removing):
            if task:
                task.cancel()
        await super().close()
        await self.monitor.close()
        logging.getLogger().removeHandler(self._error_count)
        await self.engine.close()
        if hasattr(self, "store"):
            await self.store.close()


def local_engine(config: Config) -> LocalEngine:
    """The engine as a child of this process, by the settings."""
    settings = config.engine
    return LocalEngine(
        [settings.python, "-m", "engine.worker.main"] if settings.python else None,
        data=config.folder,
        environ=os.environ,
        threads=settings.threads or "auto",
        device=settings.device,
        nets_megabytes=settings.nets_megabytes,
        idle_minutes=settings.idle_minutes,
        compiled=config.folder / "compiled" if settings.compile == "on" else None,
    )


def make_bot(
    config: Config,
    *,
    connector: aiohttp.BaseConnector | None = None,
    engine: Engine | None = None,
    clock: Callable[[], float] = time.time,
) -> DreamBot:
    """A bot that has not connected yet: `async with make_bot(config) as bot: await bot.start(token)`."""
    return DreamBot(config, connector=connector, engine=engine, clock=clock)
