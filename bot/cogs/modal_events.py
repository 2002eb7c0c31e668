"""Routes submitted modals by custom id, and replies to unknown buttons."""

from __future__ import annotations

import re
from typing import Any, cast

import discord
from discord.ext import commands

from bot.community.gate import Access
from bot.interactions.context import Invocation
from bot.interactions.handlers import report_errors
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotClient
from bot.views.base import JOB, PREFIX, Press, modal_values
from bot.views.community.styles import FORM
from bot.views.community.words import EXPLAIN, EXPLAIN_HELD
from bot.views.layout import ITEMS, MODALS
from bot.views.remix_modal import PromptReturner

MODAL_ID = re.compile(rf"{PREFIX}:(?P<action>{'|'.join(MODALS)}):(?P<job>{JOB})(?::(?P<index>[0-9]{{1,2}}))?")
PUBLIC = ("form", "upform", FORM, "start", "startheld", "target", "targetheld")
"""Modals whose result is a public message."""
ACCESS = {
    "erase": Access.OPEN,
    "complaint": Access.OPEN,
    **dict.fromkeys((EXPLAIN, EXPLAIN_HELD), Access.COSTLY),
}
"""What the gate asks about a modal, other than `Access.USUAL`."""
UNKNOWN = "This button is from another version of the bot and no longer works."


class ModalEvents(commands.Cog):
    """Reads the custom id, so a modal that was opened before a restart can be submitted after it."""

    def __init__(self, bot: BotClient) -> None:
        self.services = bot.services

    @commands.Cog.listener()
    async def on_interaction(self, interaction: AnyInteraction) -> None:
        """Handle submitted modals and unknown buttons; discord.py passes every interaction."""
        data = cast(dict[str, Any], interaction.data or {})
        custom_id = str(data.get("custom_id", ""))
        unknown = interaction.type is discord.InteractionType.component and is_unknown(custom_id)
        form = interaction.type is discord.InteractionType.modal_submit and MODAL_ID.fullmatch(custom_id)
        if not (unknown or form) or self.services.handlers.is_repeated(interaction.id):
            return
        if form:
            await self._submit(interaction, form)
        else:
            await InteractionResponder.of(interaction, private=True).send_private(UNKNOWN)

    async def _submit(self, interaction: AnyInteraction, match: re.Match[str]) -> None:
        action, index = match["action"], match["index"]
        responder = InteractionResponder.of(interaction, private=action not in PUBLIC)
        press = Press(interaction, responder, Invocation.of_interaction(interaction), self.services)
        listener = PromptReturner(responder, modal_values(press.data).get("prompt", ""))
        async with report_errors(listener, f"the modal {action}"):
            with self.services.handlers.running():
                await self.services.gate.admit(press.caller, ACCESS.get(action, Access.USUAL))
                await MODALS[action](press, match["job"], None if index is None else int(index))


def is_unknown(custom_id: str) -> bool:
    """Whether *custom_id* has the bot's prefix but matches no button or menu."""
    known = (kind.__discord_ui_compiled_template__ for kind in ITEMS)
    return custom_id.startswith(f"{PREFIX}:") and not any(pattern.fullmatch(custom_id) for pattern in known)


async def setup(bot: BotClient) -> None:
    await bot.add_cog(ModalEvents(bot))
