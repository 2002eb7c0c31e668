"""A monkey that presses everything in random order: nothing breaks, nothing is lost, everything is answered."""

from __future__ import annotations

import asyncio
import os
import random
import time

import pytest

from bot.playground.server.components import walk
from bot.playground.server.interactions import Callback
from bot.playground.server.people import NotPossibleError
from tests.wire.looks import is_over
from tests.wire.people import Answer, Person, Shown, upload
from tests.wire.protocol_bot import picture
from tests.wire.world import World

SECONDS = float(os.environ.get("DREAMBOT_MONKEY_SECONDS", "120"))
SEED = int(os.environ.get("DREAMBOT_MONKEY_SEED", "7"))
PROMPTS = (
    "a fox", "an owl:2 | fog:-0.5", "nan", "a fox slowly", "broken", "x" * 900, "a:b:c |", "@everyone <@1> `hi`",
    "die", "🦊", "a red circle on a blue background", " | ", "<img src=x onerror=alert(1)>",
)  # fmt: skip
EMOJI = ("⬆️", "🔁", "❌", "1️⃣", "4️⃣", "👍", "🦊")
SETTLED = 60.0


class Monkey:
    """Acts at random, but the same way for the same seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.unanswered: list[str] = []

    async def act(self) -> None:
        person = self.random.choice([self.world.olive, self.world.max, self.world.mo])
        acts = [self._dream, self._press, self._press, self._press, self._react, self._look, self._trouble]
        try:
            await self.random.choice(acts)(person)
        except NotPossibleError as refused:
            self.done.append(f"not possible: {refused}")

    async def _dream(self, person: Person) -> None:
        options: dict[str, object] = {"prompt": self.random.choice(PROMPTS)}
        if self.random.random() < 0.3:
            options["count"] = self.random.randint(1, 4)
        if self.random.random() < 0.2:
            options["image"] = upload(self.random.choice([picture("green", 64), b"no picture", b""]))
        if self.random.random() < 0.3:
            options["more"] = self.random.choice(["eta=0.5", "nonsense", "cutouts=-1", "=", "steps=3"])
        channel = self.random.choice(["studio", "studio", "gallery", "quiet"])
        self._note("dream", await person.slash("dream", channel=channel, **options))

    async def _press(self, person: Person) -> None:
        shown = [message for message in person.sees() if message.buttons]
        if not shown:
            return
        message = self.random.choice(shown[-12:])
        label, custom_id = self.random.choice(list(message.buttons.items()))
        answer = await person.click(message, custom_id)
        self._note(label, answer)
        if answer.outcome.callback is Callback.MODAL and self.random.random() < 0.8:
            self._note(f"{label}, sent", await self._send(person, answer))

    async def _send(self, person: Person, opened: Answer) -> Answer:
        fields = [c["custom_id"] for c in walk(opened.modal["components"]) if c.get("type") == 4]
        values = {field: self.random.choice([*PROMPTS[:4], "7", "1"]) for field in fields if self.random.random() < 0.4}
        return await person.submit(opened, **values)

    async def _react(self, person: Person) -> None:
        shown = [message for message in person.sees() if not message.ephemeral]
        if shown:
            person.react(self.random.choice(shown[-12:]), self.random.choice(EMOJI))

    async def _look(self, person: Person) -> None:
        self._note("look", await person.slash(self.random.choice(["queue", "quota"])))

    async def _trouble(self, _: Person) -> None:
        """Now and then the world misbehaves too."""
        chance = self.random.random()
        if chance < 0.05:
            self.world.site.gateway.cut()
            await self.world.until(lambda: self.world.site.gateway.online, 30, what="the line to be back")
        elif chance < 0.1:
            self.world.faults.rate_limited("PATCH|POST", 0.05, times=2)
        elif chance < 0.2:
            mine = [m for m in self.world.olive.sees() if m.state.author_id == self.world.site.world.app.id]
            if mine:
                self.world.delete_behind(self.random.choice(mine))

    def _note(self, what: str, answer: Answer) -> None:
        self.done.append(what)
        if answer.failed:
            self.unanswered.append(f"{what} by {answer.person.id}: {answer.failed}")


def running(world: World) -> list[Shown]:
    """Messages that still promise something."""
    shown = [m for channel in ("studio", "gallery") for m in world.olive.sees(channel)]
    return [m for m in shown if m.state.author_id == world.site.world.app.id and m.buttons and not is_over(m)]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.bot(queue={"per_user": 50}, quota={"units": 0.0}, environ={"DREAMBOT_FAKE_STEP": "0.01"})
async def test_whatever_is_pressed_is_answered_and_every_job_comes_to_an_end(world: World) -> None:
    world.allow("10008")  # the bot asks for messages that the monkey has just deleted
    monkey = Monkey(world, SEED)
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        await monkey.act()
        await asyncio.sleep(monkey.random.random() * 0.1)

    await world.until(lambda: not running(world), SETTLED, what="every job to end", shown=lambda: repr(running(world)))
    assert [] == world.bot.dispatcher.queue()
    assert [] == monkey.unanswered
    assert len(monkey.done) > SECONDS / 2
