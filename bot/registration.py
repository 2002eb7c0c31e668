"""Telling Discord which commands there are: only when they have changed, for it counts every new one (200 a day)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from typing import TYPE_CHECKING

import discord

from bot.posting import FAILURES

if TYPE_CHECKING:
    from bot.bot import DreamBot

log = logging.getLogger(__name__)

SETTING = "commands"
PAUSES = (5.0, 30.0, 120.0, 600.0)
"""Seconds between tries; then the next start has to do."""


async def register_commands(bot: DreamBot) -> None:
    """Bring Discord's list of our commands up to date; trouble is logged and waited out."""
    guild = discord.Object(bot.config.discord.test_guild) if bot.config.discord.test_guild else None
    if guild:
        bot.tree.copy_global_to(guild=guild)
    for pause in (*PAUSES, None):
        try:
            await _register(bot, guild)
            return
        except FAILURES as error:
            log.warning("the commands could not be registered: %s", error)
        if pause is not None:
            await asyncio.sleep(pause)


async def _register(bot: DreamBot, guild: discord.Object | None) -> None:
    """Compare first: with what was registered last, and with what is there."""
    wanted = digest(bot, guild)
    stored = (await bot.store.settings.all("bot")).get(SETTING)
    names = {command.name for command in bot.tree.get_commands(guild=guild)}
    if stored == wanted and names == {command.name for command in await bot.tree.fetch_commands(guild=guild)}:
        return
    await bot.tree.sync(guild=guild)
    await bot.store.settings.put("bot", "", SETTING, wanted)
    log.info("registered the commands %s", ", ".join(sorted(names)))


def digest(bot: DreamBot, guild: discord.Object | None) -> str:
    """Changes when a command, the application or the place where they are registered changes."""
    commands = [command.to_dict(bot.tree) for command in bot.tree.get_commands(guild=guild)]
    shown = json.dumps([bot.application_id, guild and guild.id, commands], sort_keys=True, default=str)
    return hashlib.blake2b(shown.encode(), digest_size=16).hexdigest()
