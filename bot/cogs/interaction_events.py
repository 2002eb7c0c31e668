"""Where interactions arrive: commands by the tree, forms by custom id, unknown buttons. Others: `bot.views.base`."""

from __future__ import annotations

import logging
import re
from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.interactions.context import Invocation
from bot.interactions.handlers import COMMANDS, Access, describe_error
from bot.interactions.responder import TOO_LATE, AnyInteraction, InteractionResponder
from bot.services import BotClient, BotCog
from bot.views.base import JOB, PREFIX
from bot.views.discovery import ITEMS, MODALS
from bot.views.forms import submit
from engine.errors import DreamError

MODAL_ID = re.compile(rf"{PREFIX}:(?P<action>{'|'.join(MODALS)}):(?P<job>{JOB})(?::(?P<index>[0-9]{{1,2}}))?")
UNKNOWN = "This button is from another version of the bot and no longer works."
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError)
"""What discord.py raises for an interaction that it cannot read."""


class LateAutocomplete(logging.Filter):
    """Drops discord.py's error records about autocompletes that were answered too late, because those are harmless."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        error = getattr(error, "original", error)
        return not (isinstance(error, discord.HTTPException) and error.code in TOO_LATE)


logging.getLogger("discord.app_commands.tree").addFilter(LateAutocomplete())


class DreamTree(app_commands.CommandTree[BotClient]):
    """Answers errors of commands to the person who used them."""

    async def _call(self, interaction: discord.Interaction[BotClient]) -> None:
        """Run a command or an autocompletion as a registered handler, once; a command passes the gate first."""
        services, typed = interaction.client.services, interaction.type is discord.InteractionType.application_command
        if services.handlers.is_repeated(interaction.id):
            return
        try:
            with services.handlers.running():
                if typed:
                    access = COMMANDS.get(str(cast(dict[str, Any], interaction.data or {}).get("name")), Access.USUAL)
                    await services.gate.admit(Invocation.of_interaction(interaction), access)
                await super()._call(interaction)
        except (DreamError, *_MALFORMED) as error:
            words = describe_error(error, "an interaction")
            if typed:
                await InteractionResponder.of(interaction).send_private(words)

    async def on_error(self, interaction: discord.Interaction[BotClient], error: app_commands.AppCommandError) -> None:
        name = interaction.command.qualified_name if interaction.command else "unknown"
        await InteractionResponder.of(interaction).send_private(describe_error(error, f"the command /{name}"))


class InteractionEvents(BotCog):
    """Reads the custom id, so a modal that was opened before a restart can be submitted after it."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: AnyInteraction) -> None:
        """Handle submitted modals and unknown buttons; discord.py passes every interaction."""
        custom_id = str(cast(dict[str, Any], interaction.data or {}).get("custom_id", ""))
        unknown = interaction.type is discord.InteractionType.component and is_unknown(custom_id)
        if interaction.type is discord.InteractionType.modal_submit and (form := MODAL_ID.fullmatch(custom_id)):
            await submit(interaction, form)
        elif unknown and not self.services.handlers.is_repeated(interaction.id):
            await InteractionResponder.of(interaction, private=True).send_private(UNKNOWN)


def is_unknown(custom_id: str) -> bool:
    """Whether *custom_id* has the bot's prefix but matches no button or menu."""
    known = (kind.__discord_ui_compiled_template__ for kind in ITEMS)
    return custom_id.startswith(f"{PREFIX}:") and not any(pattern.fullmatch(custom_id) for pattern in known)
