"""The stage on SimCord, an independent Discord simulator in this process, with its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord  # type: ignore[import-untyped]

import bot
from bot.bot import DreamBot
from bot.community import rounds
from bot.operations import process
from bot.playground.server.validation.components import walk
from tests.opinions.looks import Recipe, look
from tests.opinions.painter import Painter

QUIET = 0.12
"""Seconds of real time: the bot's loops go on where SimCord thinks that they rest."""
OURS = Path(bot.__file__).parent


class Resting(dict[asyncio.Task[Any], str]):
    """SimCord's book of waits that are meant: it knows those of discord.py; the loops of the bot are added."""

    def get(self, task: asyncio.Task[Any], default: Any = None) -> Any:
        code = getattr(task.get_coro(), "cr_code", None)
        resting = code is not None and Path(code.co_filename).is_relative_to(OURS)
        return "waits for work" if resting else super().get(task, default)


@asynccontextmanager
async def running(client: DreamBot) -> AsyncIterator[Any]:
    """A SimCord with the bot. The test looks at what commands raised: mistakes told in words are meant.

    Polls rest, because SimCord waits for each of their timers.
    """
    client.login_watch.look = _not_asked  # type: ignore[method-assign]  # SimCord has no GET /gateway/bot
    run = simcord.run(client, shard_count=1, settle_timeout=20.0, check_errors=False)
    run._env._work.external_waits = Resting()  # there is no public way to say it before the bot starts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "POLL_SECONDS", 3600.0)
        patch.setattr(process, "TICK", 3600.0)
        async with run as env:
            yield env


async def _not_asked() -> None:
    """In place of `LoginWatch.look`."""


class SimcordStage:
    """Satisfies `scenario.Stage`."""

    def __init__(self, env: Any, client: DreamBot, painter: Painter, pass_time: Callable[[float], None]) -> None:
        """*pass_time*: lets the bot's clock go forward."""
        self.env, self.client, self.painter, self.pass_time = env, client, painter, pass_time
        guild = env.create_guild("The Atelier")
        self.channel = guild.create_text_channel("studio")
        moderator = guild.create_role("Moderator", permissions=discord.Permissions(manage_messages=True))
        self.people = {
            "max": guild.add_member(env.create_user("max", global_name="Max")),
            "mo": guild.add_member(env.create_user("mo", global_name="Mo"), roles=[moderator]),
        }
        self.opened: Any = None

    async def slash(self, who: str, command: str, **options: Any) -> int:
        answer = await self.people[who].slash(self.channel, command, **options)
        await self.quiet()
        return int(answer.response.id)

    async def click(self, who: str, message: int, label: str) -> int:
        answer = await self.people[who].click(self.message(message), label=label)
        if answer.modal is not None:
            self.opened = answer
            return 0
        await self.quiet()
        said = [each.id for each in (answer.response, *answer.followups) if each is not None]
        return int(max(said or [message]))

    def form(self) -> dict[str, str]:
        parts = [part for part in self.opened.modal["components"] if "component" in part]
        return {part["label"]: part["component"].get("value") or "" for part in parts}

    async def submit(self, who: str, **values: str) -> int:
        fields = [part["component"] for part in self.opened.modal["components"] if "component" in part]
        filled = {field["custom_id"]: field.get("value") or "" for field in fields}
        answer = await self.people[who].submit_modal(self.opened, {**filled, **values})
        await self.quiet()
        return int(answer.response.id)

    async def choose(self, who: str, message: int, action: str, value: str) -> int:
        shown = self.message(message)
        menus = [part["custom_id"] for part in walk(list(shown.components)) if part.get("custom_id")]
        [menu] = [custom_id for custom_id in menus if custom_id.startswith(f"dream:{action}:")]
        answer = await self.people[who].select(shown, [value], custom_id=menu)
        await self.quiet()
        said = [each.id for each in (answer.response, *answer.followups) if each is not None]
        return int(max(said or [message]))

    async def forward(self, seconds: float) -> None:
        self.pass_time(seconds)
        await self.quiet()

    async def react(self, who: str, message: int, emoji: str) -> None:
        await self.people[who].react(self.message(message), emoji)
        await self.quiet()

    async def suggestions(self, who: str, command: str, option: str, typed: str, **options: Any) -> list[str]:
        choices = await self.people[who].autocomplete(self.channel, command, option, typed, **options)
        return [choice["name"] for choice in choices]

    async def paint(self) -> None:
        await self.painter.finish()
        await self.quiet()
        async with asyncio.timeout(20):
            while not await self.painter.all_told(self.client):
                await self.quiet()

    async def quiet(self) -> None:
        """Let its time pass until the bot has sent nothing for a while."""
        before = -1
        while before != (before := len(self.env.http_requests)):
            await self._rest()
            await self.env.advance_time(5)
            await asyncio.sleep(QUIET)

    async def _rest(self) -> None:
        """Wait for the advance that a timer of real time started: `advance_time` and it would wait for each other."""
        while (advance := self.env._real_advance_task) is not None and not advance.done():
            await asyncio.wait([advance])

    def look(self, message: int) -> Recipe:
        shown = self.message(message)
        embeds = [embed.to_dict() for embed in shown.embeds]
        return look(
            shown.content, embeds, shown.components, len(shown.attachments), ephemeral=bool(shown.flags.ephemeral)
        )

    async def shown(self, words: str, message: int = 0) -> int:
        async with asyncio.timeout(20):
            while words not in self.look(message or self.newest()).text:
                await self.quiet()
        return message or self.newest()

    def newest(self) -> int:
        return int(self.channel.last_message.id)

    def gone(self, message: int) -> bool:
        try:
            self.message(message)
        except simcord.BackendError:
            return True
        return False

    def message(self, message: int) -> Any:
        return simcord.ResponseMessage(self.env, self.env.backend.get_message(self.channel.id, message))
