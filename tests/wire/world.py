"""A small world for one test: the local Discord, its people, and a bot that can be started, stopped and troubled."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import discord

from bot.interactions.connector import LoopbackResolver, local_connector
from bot.models.job import JobRow, owner_of
from bot.playground.server.local import LocalDiscord
from bot.playground.server.rest.faults import Faults
from bot.playground.server.world.entities import Channel, Overwrite
from bot.playground.server.world.events import Event, Intent, fixed
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.payloads import channel_payload
from bot.playground.server.world.permissions import Permission
from tests.wire.people import PATIENCE, Person, Shown

STARTED = 60.0
"""Seconds within which a bot is there even on a machine that does ten other things."""
FAKE_ENGINE = (sys.executable, "-m", "tests.fake_engine")
REAL_ENGINE = (sys.executable, "-m", "engine.worker.main")


class MakeBot(Protocol):
    """Makes a bot that has not connected yet."""

    def __call__(self, world: World, connector: aiohttp.BaseConnector, /) -> discord.Client: ...


class World:
    """The stage of a wire test. Findings of the judges, refusals and logged errors that nobody allowed fail it."""

    def __init__(self, site: LocalDiscord, make_bot: MakeBot, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.history: dict[int, list[Json]] = defaultdict(list)
        self.logged: list[logging.LogRecord] = []
        self.lines: list[str] = []
        self.typed: set[str] = set()
        self.make_bot = make_bot
        self._bot: discord.Client | None = None
        self._running: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._allowed: list[re.Pattern[str]] = []
        self.asked: set[str] = set()
        names = {user.username: Person(self, user.id) for user in site.world.users.values()}
        self.olive, self.max, self.mo = names["olive"], names["max"], names["mo"]
        site.hub.subscribe(self)
        site.record.listeners.append(lambda _: self._changed.set())

    # -- the bot ------------------------------------------------------------------------------------------------------

    @property
    def bot(self) -> Any:
        """The running bot."""
        assert self._bot is not None, "the bot is not running"
        return self._bot

    @property
    def services(self) -> Any:
        """The running bot's services."""
        return self.bot.services

    async def start_bot(self) -> None:
        """Start it and wait until it is ready and its commands are registered."""
        connector = local_connector(self.site.port, self.site.authority.pem)
        resolver = connector._resolver
        assert isinstance(resolver, LoopbackResolver)
        self.asked = resolver.asked
        self._bot = self.make_bot(self, connector)
        self._running = asyncio.create_task(self._bot.start(self.site.world.app.token))
        await self.until(self._up, STARTED, what="the bot to be ready with its commands")

    def _up(self) -> bool:
        assert self._running is not None
        if self._running.done():
            self._running.result()
        return self.bot.is_ready() and any(self.site.commands.usable(guild) for guild in self.site.world.guilds)

    async def stop_bot(self) -> None:
        """Stop it as SIGTERM does."""
        if self._bot is not None and self._running is not None:
            await self._bot.close()
            await asyncio.gather(self._running, return_exceptions=True)
        self._bot = self._running = None

    async def restart_bot(self) -> None:
        await self.stop_bot()
        await self.start_bot()

    def make_host(self, person: Person) -> None:
        """From now on, until the bot is restarted, this person is one who runs it."""
        discord_section = self.bot.config.discord.model_copy(update={"owner_ids": (person.id,)})
        config = self.bot.config.model_copy(update={"discord": discord_section})
        object.__setattr__(self.services, "config", config)  # frozen for everyone but this test helper
        self.services.moderation._hosts = frozenset({person.id})

    async def jobs_of(self, person: Person, limit: int = 10) -> list[JobRow]:
        """A person's jobs, newest first."""
        return await self.bot.store.jobs.page(owner_of(person.id), limit)  # type: ignore[no-any-return]

    # -- places -------------------------------------------------------------------------------------------------------

    def channel(self, name: str) -> Channel:
        """A channel by name, or by id as text."""
        return self.site.world.channels[int(name)] if name.isdigit() else self.site.world.channel_named(name)

    def dm(self, person: Person) -> Channel:
        found = self.site.world.dm(person.id, self.site.world.app.id)
        assert found is not None
        return found

    def take_permission(self, permission: Permission, channel: str = "studio") -> None:
        """From now on the bot lacks *permission* there."""
        me = self.site.world.app.id
        overwrite = self.channel(channel).overwrites.setdefault(me, Overwrite(me, 1))
        overwrite.deny |= permission
        self.site.channel_changed(self.channel(channel))

    def delete_channel(self, name: str = "studio") -> None:
        """Somebody deletes that channel, with everything in it."""
        channel = self.channel(name)
        data = channel_payload(self.site.world, channel)
        self.site.hub.publish(Event("CHANNEL_DELETE", fixed(data), channel.guild_id, channel.id, Intent.GUILDS))
        for inside in [
            one for one in self.site.world.channels.values() if one.is_thread and one.parent_id == channel.id
        ]:
            del self.site.world.channels[inside.id]  # Discord says nothing of these
        del self.site.world.channels[channel.id]

    def delete_thread(self, name: str) -> None:
        """Somebody deletes a thread."""
        thread = self.channel(name)
        data: Json = {"id": str(thread.id), "guild_id": str(thread.guild_id), "parent_id": str(thread.parent_id)}
        data["type"] = int(thread.type)
        self.site.hub.publish(Event("THREAD_DELETE", fixed(data), thread.guild_id, thread.id, Intent.GUILDS))
        del self.site.world.channels[thread.id]

    def close_thread(self, name: str, *, archived: bool = True, locked: bool = False) -> None:
        """Somebody closes a thread, or time does."""
        thread = self.channel(name)
        thread.archived, thread.locked = archived, locked
        self.site.channel_changed(thread)

    def take_bot_out_of_thread(self, name: str) -> None:
        """Somebody removes the bot from a thread's members."""
        me, thread = self.site.world.app.id, self.channel(name)
        data: Json = {"id": str(thread.id), "guild_id": str(thread.guild_id), "member_count": 1}
        data["removed_member_ids"] = [str(me)]
        event = Event("THREAD_MEMBERS_UPDATE", fixed(data), thread.guild_id, thread.id, Intent.GUILDS, me)
        self.site.hub.publish(event)

    def throw_bot_out(self) -> None:
        """The owner removes the bot from the server."""
        me, (guild,) = self.site.world.app.id, self.site.world.guilds.values()
        self.site.hub.publish(Event("GUILD_DELETE", fixed({"id": str(guild.id)}), only_for=me, intent=Intent.GUILDS))
        del guild.members[me]

    # -- time and trouble ---------------------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        return self.site.faults

    def forward(self, seconds: float) -> None:
        """Let time pass for Discord and for the bot."""
        self.site.clock.forward(seconds)

    def expire_tokens(self) -> None:
        """All interaction tokens are from more than fifteen minutes ago."""
        self.site.interactions.expire()

    def delete_behind(self, message: Shown) -> None:
        """Somebody with the right to do so deletes a message."""
        self.site.posting.delete(message.state)

    def allow(self, *patterns: str) -> None:
        """What would fail the test but is meant here: regular expressions on findings, refusals and log lines."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    # -- waiting ------------------------------------------------------------------------------------------------------

    async def until(
        self,
        condition: Callable[[], Any],
        seconds: float = PATIENCE,
        *,
        what: str = "",
        shown: Callable[[], str] | None = None,
    ) -> None:
        """Wait until *condition* holds; it is asked after every event and request, and now and then besides."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    now_and_then = asyncio.get_running_loop().call_later(0.03, self._changed.set)
                    await self._changed.wait()
                    now_and_then.cancel()
        except TimeoutError:
            state = shown() if shown else self.last_requests()
            raise AssertionError(f"waited {seconds} s in vain for {what or 'a condition'}; there is {state}") from None

    def receive(self, event: Event) -> None:
        if event.name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            seen = event.render(event.only_for or self.olive.id, True)
            self.history[int(seen["id"])].append(seen)
        self._changed.set()

    def last_requests(self) -> str:
        lines = [f"{e.method} {e.path} {e.status}" for e in list(self.site.record.exchanges)[-8:]]
        return "these last requests:\n" + "\n".join(lines)

    # -- the verdict --------------------------------------------------------------------------------------------------

    def trouble(self) -> list[str]:
        """Everything that went wrong and was not allowed."""
        refused = [
            f"refused: {e.method} {e.path} → {e.status} {e.answer}"
            for e in self.site.record.exchanges
            if e.status >= 400 and not e.injected
        ]
        logged = [f"logged by {record.name}: {record.getMessage()}" for record in self.logged]
        found = [*self.site.record.findings(), *refused, *logged, *self._leaks()]
        return [text for text in found if not any(pattern.search(text) for pattern in self._allowed)]

    def _leaks(self) -> list[str]:
        """Log lines, from DEBUG on, that hold a token or a prompt."""
        tokens = {*self.site.interactions._by_token, self.site.world.app.token}
        prompts = {text for text in self.typed if " " in text.strip()}
        secret = [f"a token in the log: {line}" for line in self.lines if any(token in line for token in tokens)]
        return secret + [f"a prompt in the log: {line}" for line in self.lines if any(text in line for text in prompts)]
