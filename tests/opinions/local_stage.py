"""The stage on the local Discord: real HTTP, a real WebSocket, real time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.opinions.looks import Recipe, look
from tests.opinions.painter import Painter
from tests.wire.people import Answer, Person, Shown
from tests.wire.world import World

QUIET = 0.25
"""Seconds without a request after which the bot has said all; its own pace in these tests is 0.1 s."""


class LocalStage:
    """Satisfies `scenario.Stage`."""

    def __init__(self, world: World, painter: Painter) -> None:
        self.world, self.painter = world, painter
        self.opened: Answer | None = None

    def person(self, who: str) -> Person:
        return {"max": self.world.max, "mo": self.world.mo}[who]

    async def slash(self, who: str, command: str, **options: Any) -> int:
        answer = await self.person(who).slash(command, **options)
        await self.quiet()
        return answer.message.id

    async def click(self, who: str, message: int, label: str) -> int:
        answer = await self.person(who).click(self.message(message), label)
        if answer.outcome.modal is not None:
            self.opened = answer
            return 0
        await self.quiet()
        return max([each.id for each in answer.messages] or [message])

    def form(self) -> dict[str, str]:
        assert self.opened is not None
        parts = [part for part in self.opened.modal["components"] if "component" in part]
        return {part["label"]: part["component"].get("value") or "" for part in parts}

    async def submit(self, who: str, **values: str) -> int:
        assert self.opened is not None
        answer = await self.person(who).submit(self.opened, **values)
        await self.quiet()
        return answer.message.id

    async def choose(self, who: str, message: int, action: str, value: str) -> int:
        answer = await self.person(who).click(self.message(message), f"dream:{action}", [value])
        await self.quiet()
        return max([each.id for each in answer.messages] or [message])

    async def forward(self, seconds: float) -> None:
        self.world.forward(seconds)
        self.world.services.rounds.wake()
        await self.quiet()

    async def react(self, who: str, message: int, emoji: str) -> None:
        self.person(who).react(self.message(message), emoji)
        await self.quiet()

    async def suggestions(self, who: str, command: str, option: str, typed: str, **options: Any) -> list[str]:
        choices = await self.person(who).autocomplete(command, option, **{**options, option: typed})
        return [choice["name"] for choice in choices]

    async def paint(self) -> None:
        await self.painter.finish()
        async with asyncio.timeout(20):
            while not await self.painter.all_told(self.world.bot):
                await asyncio.sleep(0.02)
        await self.quiet()

    def look(self, message: int) -> Recipe:
        state = self.message(message).state
        return look(state.content, state.embeds, state.components, len(state.files), ephemeral=state.ephemeral)

    async def shown(self, words: str, message: int = 0) -> int:
        await self.world.until(lambda: words in self.look(message or self.newest()).text, what=words)
        return message or self.newest()

    def newest(self) -> int:
        return max(shown.id for shown in self.world.olive.sees())

    def gone(self, message: int) -> bool:
        return self.world.site.messages.get(self.world.channel("studio").id, message) is None

    def message(self, message: int) -> Shown:
        state = self.world.site.messages.get(self.world.channel("studio").id, message)
        assert state is not None
        return Shown(state, self.world.max)

    async def quiet(self) -> None:
        """Wait until the bot has sent nothing for a while."""
        before = -1
        while before != (before := len(self.world.site.record.exchanges)):
            await asyncio.sleep(QUIET)
