"""DreamBot: opens the store, starts the engine, loads every cog, closes in the right order.

`DreamTree.on_error` and the guard of `bot.views.base` are the border where errors become words.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pkgutil
import time
from collections.abc import Callable, Mapping
from functools import partial

import aiohttp
import discord
from discord import app_commands
from discord.ext import commands

from bot import cogs
from bot.actions.create import JobActions
from bot.actions.delete import Deletions
from bot.actions.history import Archive
from bot.actions.moderate import Moderation
from bot.actions.privacy import Farewell
from bot.actions.report import Reporting
from bot.config.settings import Config
from bot.delivery.deletion_queue import DeletionQueue
from bot.delivery.renderer import MessageRenderer
from bot.delivery.service import Delivery
from bot.interactions.error_reporting import speak
from bot.interactions.responder import InteractionAnswer
from bot.jobs.service import JobService
from bot.operations.command_sync import register_commands
from bot.operations.metrics import ErrorCount, Measures
from bot.operations.metrics_server import Monitor
from bot.pictures.batch_scoring import Grades
from bot.pictures.clip_ranker import Critic
from bot.pictures.timelapse import Evolutions
from bot.policy.limits import has_room
from bot.policy.quota import Quota
from bot.storage import Store
from bot.views.layout import ALL, OTHERS
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
        await InteractionAnswer.of(interaction).tell(speak(error, f"the command /{name}"))


class DreamBot(commands.AutoShardedBot):
    """The bot. Its parts exist from `setup_hook` on."""

    config: Config
    store: Store
    engine: Engine
    jobs: JobService
    delivery: Delivery
    moderation: Moderation
    job_actions: JobActions
    deletions: Deletions
    archive: Archive
    farewell: Farewell
    deletion_queue: DeletionQueue
    critic: Critic
    grades: Grades
    reporting: Reporting
    evolutions: Evolutions

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
        self.monitor = Monitor(self)
        self._error_count = ErrorCount(self.measures)

    @property
    def unavailable(self) -> Mapping[str, str]:
        """Methods, models and upscalers that this engine cannot use, with the reason."""
        return self.engine.ready.unavailable if self.engine.ready else {}

    async def setup_hook(self) -> None:
        """Everything that does not need the gateway. Raises FolderInUse, StoreError."""
        self.store = await Store.open(self.config.folder)
        self._opened = True
        logging.getLogger().addHandler(self._error_count)
        self.jobs = JobService(self.config, self.store, self.engine, clock=self.clock, ticks=time.monotonic)
        self.critic = Critic(self.engine)
        self.grades = Grades(self.critic, self.store)
        self.jobs.subscribe(self.grades.hear)
        wary = self.config.safety.enabled
        renderer = MessageRenderer(self.jobs, self.clock, wary=wary, graded=self.grades.graded)
        self.delivery = Delivery(self, self.config, self.jobs, self.store, renderer, self.clock, self.measures.sent)
        self.jobs.subscribe(self.measures.hear)
        self.moderation = Moderation(self.store, self.jobs, self.clock, self.config.discord.owner_ids)
        self.job_actions = JobActions(self, self.config, self.jobs, self.moderation, self.delivery, renderer)
        self.deletions = Deletions(self, self.jobs, self.delivery)
        self.archive = Archive(self.store, self.config.retention, self.clock)
        ledger = Quota(self.store.ledger, self.config.quota)
        self.farewell = Farewell(self.store, ledger, self.jobs, self.delivery, self.clock)
        self.deletion_queue = DeletionQueue(self, self.store)
        self.reporting = Reporting(
            self, self.store, self.jobs, self.moderation, self.delivery, renderer, report_buttons
        )
        self.evolutions = Evolutions(
            self.store, partial(has_room, self.config.folder, self.config.retention.free_megabytes)
        )
        self.jobs.subscribe(self.evolutions.hear)
        await self.monitor.start()
        await self.engine.start()
        await self.moderation.restore()
        await self.jobs.start()
        for module in pkgutil.iter_modules(cogs.__path__, f"{cogs.__name__}."):
            await self.load_extension(module.name)
        self.add_dynamic_items(*ALL, *OTHERS)
        self._registering = asyncio.create_task(register_commands(self))

    async def on_ready(self) -> None:
        """May come many times; the work of the last life is taken up once, missed reactions each time."""
        log.info("ready as %s in %d servers", self.user, len(self.guilds))
        self.online = True
        if not self.at_work:
            self.at_work = True
            await self.delivery.start()
            self._removing = asyncio.create_task(self.deletion_queue.run())
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
            await self.jobs.close(self.drain_seconds)
            await self.delivery.settle(SETTLE_SECONDS)
            await self.delivery.close()
            await self.grades.close()
            await self.evolutions.close()
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
