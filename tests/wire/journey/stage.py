"""A stage: the local Discord, the bot on it, and the words of a test: who does what, what can be seen then."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bot.bot import DreamBot, make_bot
from bot.config import Config
from bot.playground.connector import local_connector
from bot.playground.server.interactions import Interaction, Outcome
from bot.playground.server.local import LocalDiscord
from bot.playground.server.messages import Message
from bot.playground.server.people import Attached
from bot.playground.server.world import Channel
from engine.client import LocalEngine
from tests.wire.schemas import judge

T = TypeVar("T")
FAKE_ENGINE = (sys.executable, "-m", "tests.fake_engine")
SECONDS = 10.0
"""How long something may take to be seen before the test gives up."""


class Stage:
    """One local Discord and one bot, which may be stopped and started again on the same data."""

    def __init__(self, site: LocalDiscord, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.bot: DreamBot | None = None
        self.environ = {**os.environ, "DREAMBOT_FAKE_STEP": "0.01"}
        self.settings: dict[str, Any] = {
            "data": {"folder": str(folder)},
            "delivery": {"edit_seconds": 0.1, "press_seconds": 0.5},
            "queue": {"cooldown_seconds": 0.0},
        }
        self._running: asyncio.Task[None] | None = None
        people = {user.username: user.id for user in site.world.users.values()}
        self.max, self.mo, self.olive = people["max"], people["mo"], people["olive"]
        self.studio = site.world.channel_named("studio")
        judge(site.record)

    # The bot

    async def start(self, **changes: Mapping[str, Any]) -> DreamBot:
        """Start the bot, with *changes* to sections of its configuration, and wait until people can use it."""
        for section, values in changes.items():
            self.settings[section] = {**self.settings.get(section, {}), **values}
        engine = LocalEngine(FAKE_ENGINE, data=self.folder, environ=self.environ)
        connector = local_connector(self.site.port, self.site.authority.pem)
        self.bot = make_bot(
            Config.model_validate_json(_json(self.settings)), connector=connector, engine=engine, clock=self.now
        )
        self.bot.drain_seconds = 0.2
        self._running = asyncio.create_task(self.bot.start(self.site.world.app.token))
        await self.until(lambda: self._at_work(), "the bot to be ready")
        return self.bot

    async def stop(self) -> None:
        """Stop it in good order."""
        if self.bot and self._running:
            await self.bot.close()
            await asyncio.gather(self._running, return_exceptions=True)
            self.bot = self._running = None

    async def restart(self) -> DreamBot:
        """Stop and start."""
        await self.stop()
        return await self.start()

    def now(self) -> float:
        """The time of this Discord, which tests can move."""
        return self.site.clock.now()

    def _at_work(self) -> bool:
        assert self.bot is not None and self._running is not None
        if self._running.done():
            self._running.result()
        usable = {command["name"] for command in self.site.commands.usable(self.studio.guild_id)}
        return bool(
            self.bot.is_ready() and self.bot.at_work and {"dream", "queue", "quota"} <= usable and self.bot.engine.ready
        )

    # What people do

    def dream(self, prompt: str, by: int = 0, where: Channel | None = None, **options: Any) -> Interaction:
        """Type `/dream`."""
        channel = where or self.studio
        return self.site.people.slash(by or self.max, channel.id, "dream", {"prompt": prompt, **options})

    def dream_with(self, prompt: str, file: Attached, **options: Any) -> Interaction:
        """Type `/dream` with a picture to start from."""
        given = {"prompt": prompt, **options}
        return self.site.people.slash(self.max, self.studio.id, "dream", given, {"image": file})

    async def dreamt(self, prompt: str, **options: Any) -> Message:
        """Type `/dream` and wait for the picture."""
        interaction = self.dream(prompt, **options)
        await interaction.outcome
        message = interaction.original
        assert message is not None
        await self.until(lambda: is_result(message), f"the picture of “{prompt}”")
        return message

    def press(self, label: str, message: Message, by: int = 0) -> Interaction:
        """Press the button with that label."""
        return self.site.people.click(by or self.max, message, button(message, label))

    async def pressed(self, label: str, message: Message, by: int = 0) -> Interaction:
        """Press a button and wait until the bot has answered."""
        interaction = self.press(label, message, by)
        await self.answered(interaction)
        return interaction

    async def answered(self, interaction: Interaction) -> Outcome:
        """Wait until the bot has answered; fails if it did not in time."""
        outcome = await asyncio.wait_for(asyncio.shield(interaction.outcome), SECONDS)
        assert outcome.failed == ""
        return outcome

    def react(self, message: Message, emoji: str, by: int = 0) -> None:
        """React to a message."""
        self.site.people.react(by or self.max, message, emoji)

    # What people see

    def messages(self, where: Channel | None = None) -> list[Message]:
        """Everything that all can read, oldest first."""
        return [m for m in reversed(list(self.site.messages.of((where or self.studio).id))) if not m.ephemeral]

    def whispers(self, to: int = 0) -> list[str]:
        """What only this person can read in the studio: texts and embeds, oldest first."""
        return [seen(m) for m in self.site.messages.seen_by(self.studio.id, to or self.max) if m.ephemeral]

    async def until(self, condition: Callable[[], T], what: str, seconds: float = SECONDS) -> T:
        """Wait until *condition* holds; what it gave."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                shown = "\n".join(f"- {seen(message)}" for message in self.messages())
                raise AssertionError(f"waited {seconds} s for {what}; the studio shows:\n{shown}")
            await asyncio.sleep(0.005)
        return value

    async def newest(self, condition: Callable[[Message], bool], what: str, after: Message | None = None) -> Message:
        """Wait for a message in the studio, younger than *after*, of which *condition* holds."""

        def find() -> Message | None:
            young = (m for m in self.messages() if after is None or m.id > after.id)
            return next((message for message in young if condition(message)), None)

        found = await self.until(find, what)
        assert found is not None
        return found

    def requests(self, method: str, route: str) -> list[Any]:
        """What the bot has asked Discord for: exchanges of that kind, oldest first."""
        return [e for e in self.site.record.exchanges if e.method == method and e.route.endswith(route)]


def seen(message: Message) -> str:
    """All words of a message."""
    words = [message.content]
    for embed in message.embeds:
        words += [embed.get("title") or "", embed.get("description") or ""]
        words += [f"{field['name']}: {field['value']}" for field in embed.get("fields") or []]
        words.append((embed.get("footer") or {}).get("text") or "")
    return "\n".join(word for word in words if word)


def labels(message: Message) -> list[str]:
    """The labels of its buttons, in order."""
    return [item["label"] for row in message.components for item in row["components"]]


def button(message: Message, label: str) -> str:
    """The custom id of the button with that label."""
    for row in message.components:
        for item in row["components"]:
            if item["label"] == label:
                return str(item["custom_id"])
    raise AssertionError(f"there is no button {label!r}; there are {labels(message)}")


def is_result(message: Message) -> bool:
    """Whether the message shows a finished picture."""
    return "Info" in labels(message) and len(message.files) == 1


def is_painting(message: Message) -> bool:
    """Whether the message shows a picture that is being painted."""
    return "▰" in seen(message) and "Cancel" in labels(message) and len(message.files) == 1


def _json(settings: Mapping[str, Any]) -> str:
    import json

    return json.dumps(settings)
