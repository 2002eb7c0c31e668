"""Modals: their fields, what handles their submission, and what was typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import discord
from discord import ui

from bot.interactions.handlers import Access
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.views.base import MODALS, Press, custom_id, handle

FIELD = 4000
"""Characters that Discord accepts in a field. The parser reports prompts that are too long."""
MODAL_SECONDS = 900.0
"""How long discord.py remembers the modal; nothing depends on it."""
_SHOWN = 1000
"""Characters of a prompt that fit into a message with an error."""
Submit: TypeAlias = Callable[[Press, str, int | None], Awaitable[None]]
"""Takes the press, the id and the image index of the custom id."""


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


def submits(action: str, *, private: bool = True, access: Access = Access.USUAL) -> Callable[[Submit], Submit]:
    """Registers what handles the modals with that action in their custom ids.

    *private*: the answer is shown to the person only. An error returns the typed prompt to them.
    """

    def register(submit: Submit) -> Submit:
        async def submitted(interaction: AnyInteraction, id_: str, index: int | None) -> None:
            async def work(press: Press) -> None:
                await submit(press, id_, index)

            typed = modal_values(cast(dict[str, Any], interaction.data or {})).get("prompt", "")
            listener = PromptReturner(InteractionResponder.of(interaction, private=private), typed)
            doing = f"the modal {action}"
            await handle(interaction, work, private=private, access=access, doing=doing, listener=listener)

        MODALS[action] = submitted
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


class PromptReturner:
    """Sends error messages followed by the typed prompt, because a submitted modal cannot be reopened."""

    def __init__(self, responder: InteractionResponder, typed: str) -> None:
        self._responder = responder
        self._typed = typed

    async def send_private(self, words: str) -> None:
        """Send *words*; a prompt that does not fit into the message follows as a file."""
        if len(self._typed) > _SHOWN or "```" in self._typed:
            files = (("prompt.txt", self._typed.encode()),)
            payload = EphemeralPayload(f"{words}\nYour prompt is in the file.", files=files)
            await self._responder.send_private_payload(payload)
        elif self._typed:
            await self._responder.send_private(f"{words}\nYour prompt, to copy:\n```\n{self._typed}\n```")
        else:
            await self._responder.send_private(words)
