"""What all buttons, menus and modals share: custom ids, the error boundary, the gate, the visibility check.

    dream:<action>:<job id>[:<image index>]

discord.py only logs what the callback of a DynamicItem raises, so every callback runs inside `handle`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import discord
from discord import ui

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access, report_errors
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.job import JobRow
from bot.services import Services

PREFIX = "dream"
JOB = "[0-9a-z]{1,12}"
"""The pattern of a job id."""


def template(action: str) -> str:
    """Return the pattern of one action's custom ids."""
    return rf"{PREFIX}:{action}:(?P<job>{JOB})(?::(?P<index>[0-9]{{1,2}}))?"


def custom_id(action: str, job_id: str, index: int | None = None) -> str:
    return f"{PREFIX}:{action}:{job_id}" + ("" if index is None else f":{index}")


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button, choice from a menu, or submitted modal."""

    interaction: AnyInteraction
    responder: InteractionResponder
    caller: Invocation
    services: Services

    @property
    def message(self) -> discord.Message | None:
        """The message that holds the button or menu."""
        return self.interaction.message

    @property
    def data(self) -> dict[str, Any]:
        """What Discord sent: custom id, chosen values, modal components."""
        return cast(dict[str, Any], self.interaction.data or {})

    @property
    def value(self) -> str:
        """The chosen value of a menu."""
        return _value(self.interaction)

    async def shows_copy(self, job: JobRow) -> bool:
        """Whether the pressed message is ephemeral and not the job's own message.

        Where Discord forces the bot's answers to be ephemeral, the job's own message is ephemeral too.
        """
        shown = self.message
        if shown is None or not shown.flags.ephemeral:
            return False
        return await self.services.store.messages.job_id(shown.channel.id, shown.id) != job.id

    async def job(self, job_id: str, *, blind: bool = False) -> JobRow:
        """Return the job. Raises Refused for an unknown id and for a job that the caller cannot see here.

        Also for one that a blind vote hides, unless the act tells neither its prompt nor its author (*blind*).
        """
        return await self.services.history.visible(job_id, self.caller, blind=blind)


async def handle(
    interaction: AnyInteraction,
    work: Callable[[Press], Awaitable[None]],
    *,
    private: bool = True,
    modal: bool = False,
    access: Access = Access.USUAL,
    doing: str = "",
) -> None:
    """Run *work* once; report errors to the person who acted. *modal*: the work may open a modal."""
    services: Services = interaction.client.services  # type: ignore[attr-defined]
    if services.handlers.is_repeated(interaction.id):
        return
    responder = InteractionResponder.of(interaction, private=private, form=modal)
    async with report_errors(responder, doing):
        with services.handlers.running():
            caller = Invocation.of_interaction(interaction)
            await services.gate.admit(caller, access)
            await work(Press(interaction, responder, caller, services))


class IdButton(ui.DynamicItem[ui.Button[ui.View]], ABC, template=template("none")):
    """A button whose custom id holds an id and perhaps an image index."""

    action: ClassVar[str]
    label: ClassVar[str]
    numbered: ClassVar[str] = ""
    """Start of the label where each image has such a button."""
    same: ClassVar[bool] = False
    """The label is the same for every image."""
    emoji: ClassVar[str | None] = None
    style: ClassVar[discord.ButtonStyle] = discord.ButtonStyle.secondary
    private: ClassVar[bool] = False
    """The result is shown to the presser only."""
    access: ClassVar[Access] = Access.USUAL

    def __init__(self, job_id: str, index: int | None = None, row: int | None = None, label: str = "") -> None:
        self.job_id = job_id
        self.index = index
        if not label:
            label = self.label if index is None or self.same else f"{self.numbered or f'{self.label} '}{index + 1}"
        named = custom_id(self.action, job_id, index)
        super().__init__(ui.Button(label=label, style=self.style, custom_id=named, emoji=self.emoji, row=row))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        index = match["index"]
        return cls(match["job"], None if index is None else int(index))

    async def callback(self, interaction: AnyInteraction) -> None:
        """Run `act` inside the error boundary."""
        doing = f"the button {self.custom_id}"
        modal = self.opens_modal(interaction)
        await handle(interaction, self.act, private=self.private, modal=modal, access=self.access, doing=doing)

    def opens_modal(self, interaction: AnyInteraction) -> bool:
        """Whether a modal follows. It must be the first response, within three seconds."""
        return False

    @abstractmethod
    async def act(self, press: Press) -> None:
        """Do what the button says, and respond."""


class JobButton(IdButton, template=template("never")):
    """A button about one job, or one image of it."""

    async def act(self, press: Press) -> None:
        await self.pressed(press, await press.job(self.job_id, blind=Access.BLIND in self.access))

    @abstractmethod
    async def pressed(self, press: Press, job: JobRow) -> None:
        """Do what the button says, and respond."""


class JobMenu(ui.DynamicItem[ui.Select[ui.View]], ABC, template=template("never")):
    """A menu about one job; the interaction holds the choice."""

    action: ClassVar[str]
    placeholder: ClassVar[str]

    def __init__(self, job_id: str, options: Iterable[discord.SelectOption] = (), row: int | None = None) -> None:
        self.job_id = job_id
        menu: ui.Select[ui.View] = ui.Select(
            custom_id=custom_id(self.action, job_id), placeholder=self.placeholder, options=list(options), row=row
        )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls(match["job"])

    async def callback(self, interaction: AnyInteraction) -> None:
        value = _value(interaction)

        async def choose(press: Press) -> None:
            await self.chosen(press, value)

        private, modal, access = self.is_private(value), self.opens_modal(interaction, value), self.access_for(value)
        await handle(interaction, choose, private=private, modal=modal, access=access, doing=f"the menu {self.action}")

    def is_private(self, value: str) -> bool:
        """Whether the result is shown to the person only."""
        return False

    def access_for(self, value: str) -> Access:
        """What the gate asks about the choice."""
        return Access.USUAL

    @abstractmethod
    def opens_modal(self, interaction: AnyInteraction, value: str) -> bool:
        """Whether the choice opens a modal."""

    @abstractmethod
    async def chosen(self, press: Press, value: str) -> None:
        """Do what was chosen, and respond."""


class PageMenu(ui.DynamicItem[ui.Select[ui.View]], ABC, template="none"):
    """A menu that opens one of the things of a page. *action*: its whole custom id."""

    action: ClassVar[str]
    placeholder: ClassVar[str]
    access: ClassVar[Access] = Access.USUAL

    def __init__(self, options: Iterable[discord.SelectOption] = ()) -> None:
        menu: ui.Select[ui.View] = ui.Select(
            custom_id=self.action, placeholder=self.placeholder, options=list(options), row=0
        )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls()

    async def callback(self, interaction: AnyInteraction) -> None:
        await handle(interaction, self.opened, access=self.access, doing=f"the menu {self.action}")

    @abstractmethod
    async def opened(self, press: Press) -> None:
        """Show what `press.value` names."""


def view_of(*items: ui.Item[Any] | None) -> ui.View:
    """A view of *items* without those that are None. It never times out, because answers outlive a restart."""
    view = ui.View(timeout=None)
    for item in items:
        if item is not None:
            view.add_item(item)
    return view


def chosen_index(value: str) -> int:
    """The index that a menu's value names. Raises Refused for a value that the menu never offers."""
    if not (value.isascii() and value.isdecimal() and len(value) < 4):
        raise Refused("This menu entry does not name an image. Choose again.")
    return int(value)


def _value(interaction: AnyInteraction) -> str:
    values = cast(dict[str, Any], interaction.data or {}).get("values") or [""]
    return str(values[0])


def modal_values(data: Mapping[str, Any]) -> dict[str, str]:
    """Custom id → text, or first choice, of every field of a submitted modal."""
    return dict(_fields(data.get("components", [])))


def _fields(components: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for component in components:
        inner = component.get("components") or [component[key] for key in ("component",) if key in component]
        if inner:
            yield from _fields(inner)
        elif "custom_id" in component:
            chosen = component.get("values") or [""]
            yield component["custom_id"], str(component.get("value") or chosen[0])
