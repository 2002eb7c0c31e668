"""A monkey that presses everything in random order: nothing breaks, nothing is lost, everything is answered."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Iterator

import pytest

from bot.playground.server.actions.interactions import Callback
from bot.playground.server.actions.people import NotPossibleError
from bot.playground.server.validation.command_access import usable_commands
from bot.playground.server.validation.commands import CHAT_INPUT, SUB_COMMAND, SUB_COMMAND_GROUP
from bot.playground.server.validation.components import walk
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission, permissions
from tests.wire.looks import is_over
from tests.wire.people import Answer, Person, Shown, upload
from tests.wire.protocol_bot import picture
from tests.wire.world import World

SECONDS = float(os.environ.get("DREAMBOT_MONKEY_SECONDS", "120"))
SEED = int(os.environ.get("DREAMBOT_MONKEY_SEED", "7"))
PROMPTS = (
    "a fox", "an owl:2 | fog:-0.5", "a boat nan", "a fox slowly", "a broken owl", "x" * 900, "a:b:c |",
    "@everyone <@1> `hi`", "a boat die", "🦊", "a red circle on a blue background", " | ",
    "<img src=x onerror=alert(1)>",
)  # fmt: skip
EMOJI = ("⬆️", "🔁", "❌", "1️⃣", "4️⃣", "👍", "🦊")
SETTLED = 60.0
FAIR = 6.0
"""Seconds between errors of Discord: one costs an answer a second of its three, and no answer survives two."""
LEFT_ALONE = {"admin pause", "admin drain", "admin restart", "settings where", "forget"}
"""Commands that stop the world or make it forget, which is their purpose; they have tests of their own."""


def leaves(command: Json, name: str) -> Iterator[tuple[str, list[Json]]]:
    """Every subcommand by its full name, with its options."""
    options = command.get("options") or []
    inner = [option for option in options if option["type"] in (SUB_COMMAND, SUB_COMMAND_GROUP)]
    if not inner:
        yield name, options
    for option in inner:
        yield from leaves(option, f"{name} {option['name']}")


class Monkey:
    """Acts at random, but the same way for the same seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.done: list[str] = []
        self.unanswered: list[str] = []
        self._fair_until = 0.0

    async def act(self) -> None:
        person = self.random.choice([self.world.olive, self.world.max, self.world.mo])
        acts = [self._dream, self._press, self._press, self._press, self._react, self._any, self._type, self._trouble]
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
        self._note("dream", await person.slash("dream", channel=self._place(person), **options))

    def _place(self, person: Person) -> str:
        """The studio mostly; sometimes where it is harder: no right to speak, a thread, a DM, a talk of two people."""
        places = ["studio", "studio", "studio", "gallery", "quiet", "owl studies", "late-night"]
        private = [c for c in self.world.site.world.channels.values() if c.is_private and person.id in c.recipients]
        return self.random.choice([*places, *(str(channel.id) for channel in private)])

    def _command(self, person: Person, place: str) -> tuple[str, list[Json]]:
        """Any command that this person is offered there: its full name and its options."""
        site = self.world.site
        channel = self.world.channel(place)
        found = [
            leaf
            for command in usable_commands(site.world, site.commands.usable(channel.guild_id), channel, person.id)
            if command["type"] == CHAT_INPUT
            for leaf in leaves(command, command["name"])
        ]
        return self.random.choice([leaf for leaf in found if leaf[0] not in LEFT_ALONE] or [("queue", [])])

    async def _any(self, person: Person) -> None:
        """Some command with whatever fits into its options, or nearly fits."""
        place = self._place(person)
        name, options = self._command(person, place)
        chosen = [option for option in options if option.get("required") or self.random.random() < 0.3]
        self._note(name, await person.slash(name, channel=place, **{o["name"]: self._value(o) for o in chosen}))

    async def _type(self, person: Person) -> None:
        """Begin to write, and look at what is suggested."""
        place = self._place(person)
        name, options = self._command(person, place)
        for option in [each for each in options if each.get("autocomplete")][:1]:
            typed = self.random.choice(["", "p", "25", "eta=", "🦊", "x" * 90])
            await person.autocomplete(name, option["name"], channel=place, **{option["name"]: typed})
            self.done.append(f"typed {typed!r} into {name} {option['name']}")

    def _value(self, option: Json) -> object:
        site, kind = self.world.site.world, option["type"]
        if option.get("choices"):
            return self.random.choice(option["choices"])["value"]
        guild = next(iter(site.guilds.values()))
        ids = {6: list(site.users), 7: [c.id for c in site.channels.values() if c.guild_id], 8: list(guild.roles)}
        if kind in (4, 10):
            low, high = option.get("min_value", 0), option.get("max_value", 100)
            return self.random.choice([low, high, self.random.randint(int(low), int(high))])
        if kind == 5:
            return self.random.random() < 0.5
        if kind == 11:
            return upload(self.random.choice([picture("green", 64), b"no picture"]))
        if kind in (6, 7, 8, 9):
            return str(self.random.choice(ids[6 if kind == 9 else kind]))
        return self.random.choice([*PROMPTS, "7", "256x256"])[: option.get("max_length", 900)]

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

    async def _trouble(self, _: Person) -> None:
        """Now and then the world misbehaves too."""
        chance = self.random.random()
        if chance < 0.05:
            self.world.site.gateway.cut()
            await self.world.until(lambda: self.world.site.gateway.online, 30, what="the line to be back")
        elif chance < 0.1:
            self.world.faults.rate_limited("PATCH|POST", 0.05, times=2)
        elif chance < 0.14 and time.monotonic() > self._fair_until:
            self._fair_until = time.monotonic() + FAIR
            self.world.faults.server_error("PATCH|POST", 502, times=1)
        elif chance < 0.17:
            self.world.expire_tokens()
        elif chance < 0.27:
            mine = [m for m in self.world.olive.sees() if m.state.author_id == self.world.site.world.app.id]
            if mine:
                self.world.delete_behind(self.random.choice(mine))

    def _note(self, what: str, answer: Answer) -> None:
        self.done.append(what)
        if answer.failed:
            self.unanswered.append(f"{what} by {answer.person.id}: {answer.failed}")


def running(world: World, *, reachable: bool = False) -> list[Shown]:
    """Messages that still promise something; *reachable*: where the bot has a voice of its own."""
    site = world.site.world
    places = [
        str(channel.id)
        for channel in site.channels.values()
        if not reachable or permissions(site, channel, site.app.id) & Permission.VIEW_CHANNEL
    ]
    shown = [m for place in places for person in (world.olive, world.max) for m in person.sees(place)]
    return [m for m in shown if m.state.author_id == world.site.world.app.id and m.buttons and not is_over(m)]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.bot(
    queue={"per_user": 50}, quota={"units": 0.0, "confirm_cost": 2.0}, environ={"DREAMBOT_FAKE_STEP": "0.01"}
)
async def test_whatever_is_pressed_is_answered_and_every_job_comes_to_an_end(world: World) -> None:
    world.allow("10008")  # the bot asks for messages that the monkey has just deleted
    world.allow("50001", "50007", "50027", "10015")  # where it is a guest it tries its own voice, or comes too late
    monkey = Monkey(world, SEED)
    ends = time.monotonic() + SECONDS
    while time.monotonic() < ends:
        await monkey.act()
        await asyncio.sleep(monkey.random.random() * 0.1)

    await world.until(
        lambda: not running(world, reachable=True), SETTLED, what="every job to end", shown=lambda: repr(running(world))
    )
    await world.until(
        lambda: not (world.services.jobs.registry.waiting() or world.services.jobs.registry.running()),
        SETTLED,
        what="an empty queue",
    )
    for message in running(world):  # where the bot is a guest and came too late, a press alone can set them right
        monkey._note("Cancel, at the end", await message.person.click(message, "Cancel"))
    await world.until(lambda: not running(world), SETTLED, what="every message to say what became of its job")
    assert [] == monkey.unanswered
    assert len(monkey.done) > SECONDS / 2
