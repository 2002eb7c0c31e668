"""Modals: their fields, what handles their submission, and what was typed.

The custom id says everything, so that a modal that was opened before a restart can be submitted after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import discord
from discord import ui

from bot.interactions.handlers import Access
from bot.views.base import Press, custom_id

FIELD = 4000
"""Characters that Discord accepts in a field. The parser reports prompts that are too long."""
MODAL_SECONDS = 900.0
"""How long discord.py remembers the modal; nothing depends on it."""
Submit: TypeAlias = Callable[[Press, str, int | None], Awaitable[None]]


class Modal(ui.Modal):
    """A modal whose submission is handled by the function that `submits` registers for *action*."""

    def __init__(self, title: str, action: str, id_: str, index: int | None = None) -> None:
        super().__init__(title=title, custom_id=custom_id(action, id_, index), timeout=MODAL_SECONDS)

    def add_text(
        self,
        name: str,
        label: str,
        description: str,
        default: str = "",
        *,
        most: int = FIELD,
        required: bool = False,
        long: bool = False,
    ) -> None:
        """A text field of at most *most* characters; *long*: of several lines."""
        style = discord.TextStyle.paragraph if long else discord.TextStyle.short
        field = ui.TextInput[ui.View](
            custom_id=name, style=style, default=default or None, max_length=most, required=required
        )
        self.add_item(ui.Label(text=label, description=description, component=field))

    def add_menu(self, name: str, label: str, options: list[discord.SelectOption]) -> None:
        self.add_item(ui.Label(text=label, component=ui.Select(custom_id=name, options=options)))


class Form(NamedTuple):
    """What handles a submitted modal; takes the press, the id and the image index of the custom id."""

    submit: Submit
    private: bool
    """The answer is shown to the person only."""
    access: Access


MODALS: dict[str, Form] = {}
"""Action of a custom id → its form, once `bot.views.catalogue` is loaded."""


def submits(action: str, *, private: bool = True, access: Access = Access.USUAL) -> Callable[[Submit], Submit]:
    """Registers what handles the modals with that action in their custom ids."""

    def register(submit: Submit) -> Submit:
        MODALS[action] = Form(submit, private, access)
        return submit

    return register


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
