"""Where commands and their autocompletions arrive. Buttons, menus and modals arrive in `bot.views.base`."""

from __future__ import annotations

import logging
from typing import Any, cast

import discord
from discord import app_commands

from bot.interactions.context import Invocation
from bot.interactions.handlers import COMMANDS, Access, describe_error
from bot.interactions.responder import TOO_LATE, InteractionResponder
from bot.services import BotClient
from engine.errors import DreamError

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
