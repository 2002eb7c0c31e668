"""People for the tests: what they do is one line, what they see is read from the same messages that clients get.

answer = await max_.slash("dream", prompt="a fox", image=upload(png))
message = await max_.wait_for(answer.message, lambda m: m.pictures)
await max_.click(message, "Upscale")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.playground.server.actions.interactions import Interaction, Outcome
from bot.playground.server.actions.people import AttachedFile
from bot.playground.server.validation.components import walk
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message

if TYPE_CHECKING:
    from tests.wire.world import World

PATIENCE = 30.0
"""Seconds that a test waits for something that should happen soon."""


def upload(data: bytes, filename: str = "picture.png") -> AttachedFile:
    """A file for an attachment option."""
    return AttachedFile(filename, data)


@dataclass
class Answer:
    """How the bot answered one action."""

    interaction: Interaction
    outcome: Outcome
    person: Person

    @property
    def failed(self) -> str:
        """What the client shows where no answer came; empty otherwise."""
        return self.outcome.failed

    @property
    def modal(self) -> Json:
        """The form that was opened."""
        assert self.outcome.modal is not None, f"no form was opened but {self.outcome}"
        return self.outcome.modal

    @property
    def message(self) -> Shown:
        """The message that the answer made or changed."""
        assert self.interaction.original is not None, f"no message was made but {self.outcome}"
        return Shown(self.interaction.original, self.person)

    @property
    def messages(self) -> list[Shown]:
        """The answer and its follow-ups."""
        return [Shown(message, self.person) for message in self.interaction.mine.values()]


class Shown:
    """A message as one person sees it now. It stays current while the bot edits."""

    def __init__(self, message: Message, person: Person) -> None:
        self.state = message
        self.person = person

    @property
    def id(self) -> int:
        return self.state.id

    @property
    def raw(self) -> Json:
        """Discord's message object."""
        return self.person.world.site.show(self.state, self.person.id)

    @property
    def content(self) -> str:
        return self.state.content

    @property
    def text(self) -> str:
        """All that can be read: content, embeds, text components."""
        embeds = [embed.get(key) or "" for embed in self.state.embeds for key in ("title", "description")]
        fields = [f"{f['name']}: {f['value']}" for e in self.state.embeds for f in e.get("fields") or []]
        footers = [(embed.get("footer") or {}).get("text") or "" for embed in self.state.embeds]
        texts = [component.get("content") or "" for component in walk(self.state.components)]
        return "\n".join(filter(None, [self.content, *embeds, *fields, *footers, *texts]))

    @property
    def thinking(self) -> bool:
        return self.state.loading

    @property
    def ephemeral(self) -> bool:
        return self.state.ephemeral

    @property
    def gone(self) -> bool:
        return self.person.world.site.messages.get(self.state.channel_id, self.state.id) is None

    @property
    def files(self) -> dict[str, bytes]:
        """All files by name, those shown inside embeds and components too."""
        return {file.filename: file.data for file in self.state.files}

    @property
    def pictures(self) -> list[bytes]:
        return [file.data for file in self.state.files if file.size]

    @property
    def buttons(self) -> dict[str, str]:
        """Custom id by label (or emoji) of every button that can be pressed."""
        found = [c for c in walk(self.state.components) if c.get("type") == 2 and c.get("custom_id")]
        return {_face(button): button["custom_id"] for button in found if not button.get("disabled")}

    @property
    def options(self) -> dict[str, tuple[str, str]]:
        """Custom id and value by label of everything that a menu offers."""
        menus = [c for c in walk(self.state.components) if c.get("options") and c.get("custom_id")]
        return {one["label"]: (menu["custom_id"], one["value"]) for menu in menus for one in menu["options"]}

    @property
    def reactions(self) -> dict[str, int]:
        return {emoji: len(who) for emoji, who in self.state.reactions.items()}

    @property
    def history(self) -> list[Json]:
        """Everything that this message has looked like, oldest first."""
        return self.person.world.history[self.state.id]

    def __repr__(self) -> str:
        return f"<message {self.id}: {self.text[:300]!r}, {sorted(self.files)}, {list(self.buttons)}>"


def _face(button: Json) -> str:
    label = button.get("label") or ""
    return label or str((button.get("emoji") or {}).get("name"))


class Person:
    """One of the people; methods do what a hand on a client does."""

    def __init__(self, world: World, user_id: int) -> None:
        self.world = world
        self.id = user_id

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    async def slash(self, command: str, /, *, channel: str = "studio", **options: Any) -> Answer:
        """Use a command; options whose value is an `upload` go along as files. Waits for the first answer."""
        self.world.typed |= {text for text in options.values() if isinstance(text, str)}
        files = {name: value for name, value in options.items() if isinstance(value, AttachedFile)}
        rest = {name: value for name, value in options.items() if name not in files}
        act = self.world.site.people.slash
        return await self._answer(act(self.id, self.world.channel(channel).id, command, rest, files))

    async def autocomplete(
        self, command: str, focused: str, /, *, channel: str = "studio", **options: Any
    ) -> list[Json]:
        """The suggestions for the option *focused*."""
        act = self.world.site.people.autocomplete
        answer = await self._answer(act(self.id, self.world.channel(channel).id, command, options, focused))
        return list(answer.outcome.choices)

    async def click(self, message: Shown, button: str, values: list[str] | None = None) -> Answer:
        """Press what is labelled *button*, or whose custom id is or begins with it; choose it if a menu offers it."""
        if values is None and button not in message.buttons and button in message.options:
            button, value = message.options[button]
            values = [value]
        custom_id = self._find(message, button)
        return await self._answer(self.world.site.people.click(self.id, message.state, custom_id, values))

    async def submit(self, opened: Answer, /, **values: Any) -> Answer:
        """Send an open form; fields that are not given keep what they are filled with."""
        self.world.typed |= {text for text in values.values() if isinstance(text, str)}
        return await self._answer(self.world.site.people.submit(self.id, opened.interaction, values))

    async def use_on(self, message: Shown, command: str) -> Answer:
        """Use a command from the message's context menu."""
        return await self._answer(self.world.site.people.on_message(self.id, message.state, command))

    def react(self, message: Shown, emoji: str) -> None:
        self.world.site.people.react(self.id, message.state, emoji)

    def unreact(self, message: Shown, emoji: str) -> None:
        self.world.site.people.unreact(self.id, message.state, emoji)

    def say(self, text: str, *, channel: str = "studio") -> Shown:
        return Shown(self.world.site.people.say(self.id, self.world.channel(channel).id, text), self)

    def delete(self, message: Shown) -> None:
        self.world.site.people.delete(self.id, message.state)

    def sees(self, channel: str = "studio") -> list[Shown]:
        """All messages of a channel that this person sees, oldest first; "dm" is the one with the bot."""
        place = self.world.channel(channel) if channel != "dm" else self.world.dm(self)
        return [Shown(message, self) for message in self.world.site.messages.seen_by(place.id, self.id)]

    async def wait_for(
        self, message: Shown, condition: Callable[[Shown], Any], seconds: float = PATIENCE, *, what: str = ""
    ) -> Shown:
        """Wait until *message* is as it should be; the failure shows how it is instead."""
        await self.world.until(lambda: condition(message), seconds, what=what, shown=lambda: repr(message))
        return message

    async def wait_for_message(
        self, condition: Callable[[Shown], Any], *, channel: str = "studio", seconds: float = PATIENCE
    ) -> Shown:
        """Wait for a message of this channel that meets *condition*; the newest one counts."""

        def found() -> list[Shown]:
            return [shown for shown in self.sees(channel) if condition(shown)]

        await self.world.until(found, seconds, what="such a message", shown=lambda: repr(self.sees(channel)))
        return found()[-1]

    def _find(self, message: Shown, button: str) -> str:
        ids = [str(c["custom_id"]) for c in walk(message.state.components) if c.get("custom_id")]
        candidates: Mapping[str, str] = {**{one: one for one in ids}, **message.buttons}
        exact = candidates.get(button)
        begins = [custom_id for custom_id in ids if custom_id.startswith(button)]
        assert exact or begins, f"no button {button!r}; there are {message.buttons}"
        return exact or begins[0]

    async def _answer(self, interaction: Interaction) -> Answer:
        async with asyncio.timeout(PATIENCE):
            return Answer(interaction, await interaction.outcome, self)
