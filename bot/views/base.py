"""What all buttons, menus and modals share: custom ids, the error boundary, the gate, the visibility check.

    dream:<action>:<job id>[:<image index>]

discord.py calls `Item.callback` for a button or menu, also of an earlier process. `on_interaction` gets all the rest.
discord.py only logs what a callback raises, so every one runs inside `handle`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypedDict, TypeVar, Unpack, cast

import discord
from discord import ui

from bot.errors import Refused
from bot.interactions.context import Invocation
from bot.interactions.handlers import Access, Listener, report_errors
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.models.job import JobRow, PictureRow
from bot.services import Services

PREFIX = "dream"
JOB = "[0-9a-z]{1,12}"
"""The pattern of a job id."""
MOST_OPTIONS = 25
"""Options that Discord allows in a menu."""
ItemT = TypeVar("ItemT", bound="ui.Item[Any]")
MODAL_ID = re.compile(rf"{PREFIX}:(?P<action>[a-z]+):(?P<job>{JOB})(?::(?P<index>[0-9]{{1,2}}))?")
UNKNOWN = "This button is from another version of the bot and no longer works."
ITEMS: list[type[Item[Any]]] = []
"""Every kind of button and menu, once `bot.views.discovery` is loaded."""
MODALS: dict[str, Callable[[AnyInteraction, str, int | None], Awaitable[None]]] = {}
"""Action of a custom id → what handles such a submitted modal; takes the id and the image index of the custom id too.

Filled like `ITEMS`.
"""


def custom_id(action: str, job_id: str, index: int | None = None) -> str:
    return f"{PREFIX}:{action}:{job_id}" + ("" if index is None else f":{index}")


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a button, choice from a menu, or submitted modal."""

    interaction: AnyInteraction
    responder: InteractionResponder
    caller: Invocation
    services: Services

    @classmethod
    def of(cls, interaction: AnyInteraction, *, private: bool, form: bool = False) -> Press:
        """*private*: the response is ephemeral. *form*: a modal may open."""
        responder = InteractionResponder.of(interaction, private=private, form=form)
        services: Services = interaction.client.services  # type: ignore[attr-defined]
        return cls(interaction, responder, Invocation.of_interaction(interaction), services)

    @property
    def message(self) -> discord.Message | None:
        return self.interaction.message

    @property
    def data(self) -> dict[str, Any]:
        """What Discord sent: custom id, chosen values, modal components."""
        return cast(dict[str, Any], self.interaction.data or {})

    @property
    def value(self) -> str:
        """The chosen value of a menu."""
        return value_of(self.interaction)

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

        Also for one that a blind vote hides, unless the act shows neither its prompt nor its author (*blind*).
        """
        return await self.caller.job(self.services.store, job_id, blind=blind)


async def handle(
    interaction: AnyInteraction,
    work: Callable[[Press], Awaitable[None]],
    *,
    private: bool = True,
    modal: bool = False,
    access: Access = Access.USUAL,
    doing: str = "",
    listener: Listener | None = None,
) -> None:
    """Run *work* once; report errors to the person who acted, by *listener* if there is one.

    *modal*: the work may open a modal.
    """
    services: Services = interaction.client.services  # type: ignore[attr-defined]
    if services.handlers.is_repeated(interaction.id):
        return
    responder = InteractionResponder.of(interaction, private=private, form=modal)
    async with report_errors(listener or responder, doing):
        with services.handlers.running():
            press = Press.of(interaction, private=private, form=modal)
            await services.gate.admit(press.caller, access)
            await work(press)


async def on_interaction(interaction: AnyInteraction) -> None:
    """Handle submitted modals and unknown buttons; discord.py passes every interaction.

    The custom id says everything, so a modal that was opened before a restart can be submitted after it.
    """
    named = str(cast(dict[str, Any], interaction.data or {}).get("custom_id", ""))
    if interaction.type is discord.InteractionType.modal_submit:
        if (found := MODAL_ID.fullmatch(named)) and (submitted := MODALS.get(found["action"])):
            await submitted(interaction, found["job"], None if found["index"] is None else int(found["index"]))
    elif interaction.type is discord.InteractionType.component and named.startswith(f"{PREFIX}:"):
        services: Services = interaction.client.services  # type: ignore[attr-defined]
        known = any(kind.__discord_ui_compiled_template__.fullmatch(named) for kind in ITEMS)
        if not known and not services.handlers.is_repeated(interaction.id):
            await InteractionResponder.of(interaction, private=True).send_private(UNKNOWN)


class Look(TypedDict, total=False):
    """Keywords of a class of buttons or menus; they become its attributes of the same names."""

    label: str
    numbered: str
    same: bool
    emoji: str
    style: discord.ButtonStyle
    placeholder: str
    private: bool
    modal: bool
    access: Access


class Item(ui.DynamicItem[ItemT], ABC, template="never"):
    """A button or menu that works after a restart, because its custom id says everything.

    A subclass with an *action*, the second word of its custom ids, is registered in `ITEMS`.
    """

    action: ClassVar[str]
    job_id: str = ""
    rest: ClassVar[str] = rf":(?P<job>{JOB})(?::(?P<index>[0-9]{{1,2}}))?"
    """Pattern of what follows the action."""
    private: ClassVar[bool] = False
    """The answer is shown to the person only."""
    modal: ClassVar[bool] = False
    """A modal opens. It must be the first response, within three seconds."""
    access: ClassVar[Access] = Access.USUAL

    def __init_subclass__(cls, *, action: str = "", **look: Unpack[Look]) -> None:
        super().__init_subclass__(template=rf"{PREFIX}:{action}{cls.rest}")
        for name, value in look.items():
            setattr(cls, name, value)
        if action:
            cls.action = action
            ITEMS.append(cls)

    async def callback(self, interaction: AnyInteraction) -> None:
        private, access, modal = self.terms(interaction)
        doing = f"the component {self.action} {self.job_id}".rstrip()  # some custom ids hold words of people
        await handle(interaction, self.act, private=private, modal=modal, access=access, doing=doing)

    def terms(self, interaction: AnyInteraction) -> tuple[bool, Access, bool]:
        """Whether the answer is private, what the gate asks, and whether a modal opens."""
        return self.private, self.access, self.modal

    @abstractmethod
    async def act(self, press: Press) -> None:
        """Do what the button or the chosen entry says, and respond."""


class IdButton(Item[ui.Button[ui.View]]):
    """A button whose custom id holds an id and perhaps an image index."""

    label: ClassVar[str]
    numbered: ClassVar[str] = ""
    """Start of the label where each image has such a button."""
    same: ClassVar[bool] = False
    """The label is the same for every image."""
    emoji: ClassVar[str | None] = None
    style: ClassVar[discord.ButtonStyle] = discord.ButtonStyle.secondary

    def __init__(self, job_id: str, index: int | None = None, row: int | None = None, label: str = "") -> None:
        self.job_id = job_id
        self.index = index
        named = custom_id(self.action, job_id, index)
        text = label or self.text()
        super().__init__(ui.Button(label=text, style=self.style, custom_id=named, emoji=self.emoji, row=row))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        index = match["index"]
        return cls(match["job"], None if index is None else int(index))

    def text(self) -> str:
        """The label, with the number of the image."""
        if self.index is None or self.same:
            return self.label
        return f"{self.numbered or f'{self.label} '}{self.index + 1}"


class JobButton(IdButton):
    """A button about one job, or one image of it."""

    async def act(self, press: Press) -> None:
        await self.pressed(press, await press.job(self.job_id, blind=Access.BLIND in self.access))

    @abstractmethod
    async def pressed(self, press: Press, job: JobRow) -> None:
        """Do what the button says, and respond."""


class IdMenu(Item[ui.Select[ui.View]]):
    """A menu whose custom id holds the id of a job; `press.value` is the choice."""

    placeholder: ClassVar[str]

    def __init__(self, job_id: str, options: Iterable[discord.SelectOption] = (), row: int | None = None) -> None:
        self.job_id = job_id
        named = custom_id(self.action, job_id)
        super().__init__(ui.Select(custom_id=named, placeholder=self.placeholder, options=list(options), row=row))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls(match["job"])


class JobMenu(IdMenu):
    """A menu about one job."""

    async def act(self, press: Press) -> None:
        await self.chosen(press, await press.job(self.job_id, blind=Access.BLIND in self.access))

    @abstractmethod
    async def chosen(self, press: Press, job: JobRow) -> None:
        """Do what was chosen, and respond."""


class PageMenu(Item[ui.Select[ui.View]], private=True):
    """A menu that opens one of the things of a page."""

    rest = ""
    placeholder: ClassVar[str]

    def __init__(self, options: Iterable[discord.SelectOption] = ()) -> None:
        named = f"{PREFIX}:{self.action}"
        super().__init__(ui.Select(custom_id=named, placeholder=self.placeholder, options=list(options), row=0))

    @classmethod
    async def from_custom_id(cls, interaction: AnyInteraction, item: ui.Item[ui.View], match: re.Match[str], /) -> Self:
        return cls()


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


def value_of(interaction: AnyInteraction) -> str:
    """The chosen value of a menu."""
    values = cast(dict[str, Any], interaction.data or {}).get("values") or [""]
    return str(values[0])


def picture_options(pictures: Iterable[PictureRow], default: int | None = None) -> list[discord.SelectOption]:
    """Menu entries that name pictures by their numbers, with the index as value; at most `MOST_OPTIONS`."""
    options = [
        discord.SelectOption(value=str(one.index), label=f"Image {one.index + 1}", default=one.index == default)
        for one in pictures
    ]
    return options[:MOST_OPTIONS]
