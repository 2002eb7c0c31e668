"""Telling Discord which commands there are: only when they have changed, for it counts every new one (200 a day).

Clients show what is registered everywhere and what is registered in their server side by side, so that commands that
stand in both places are offered twice: a place where they are no longer wanted is emptied.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from typing import Any, TypeAlias

import discord
from discord import app_commands

from bot.interactions.message_api import FAILURES
from bot.storage.settings import Settings

Tree: TypeAlias = app_commands.CommandTree[Any]

log = logging.getLogger(__name__)

SETTING = "commands"
PLACES = "commands_places"
"""The setting that names every place where our commands may stand."""
EVERYWHERE = 0
"""The place that is no server; others are the servers' ids."""
PAUSES = (5.0, 30.0, 120.0, 600.0)
"""Seconds between tries; then the next start has to do."""


async def register_commands(tree: Tree, settings: Settings, test_guild: int) -> None:
    """Bring Discord's list of our commands up to date; trouble is logged and waited out."""
    guild = discord.Object(test_guild) if test_guild else None
    if guild:
        tree.copy_global_to(guild=guild)
    for pause in (*PAUSES, None):
        try:
            await _register(tree, settings, guild)
            return
        except FAILURES as error:
            log.warning("the commands could not be registered: %s", error)
        if pause is not None:
            await asyncio.sleep(pause)


async def _register(tree: Tree, settings: Settings, guild: discord.Object | None) -> None:
    """Here first, then nowhere else; a place is noted before commands stand there, for we may stop in between."""
    here = guild.id if guild else EVERYWHERE
    places = await _places(settings)
    if here not in places:
        await settings.put("bot", "", PLACES, [*places, here])
    await _bring_up_to_date(tree, settings, guild)
    for place in places:
        if place != here:
            await _empty(tree, place)
    await settings.put("bot", "", PLACES, [here])


async def _places(settings: Settings) -> list[int]:
    """Whoever has noted nothing yet may have registered everywhere, as is usual."""
    noted = (await settings.all("bot")).get(PLACES)
    return [int(place) for place in noted] if isinstance(noted, list) else [EVERYWHERE]


async def _empty(tree: Tree, place: int) -> None:
    """None of our commands stands there any more."""
    app_id = tree.client.application_id or 0
    if place == EVERYWHERE:
        await tree.client.http.bulk_upsert_global_commands(app_id, [])
    else:
        with contextlib.suppress(discord.Forbidden):  # we are not in that server any more: nobody can see them there
            await tree.client.http.bulk_upsert_guild_commands(app_id, place, [])
    log.info("took the commands away %s", f"from server {place}" if place else "from everywhere else")


async def _bring_up_to_date(tree: Tree, settings: Settings, guild: discord.Object | None) -> None:
    """Compare first: with what was registered last, and with what is there."""
    wanted = digest(tree, guild)
    stored = (await settings.all("bot")).get(SETTING)
    names = {command.name for command in tree.get_commands(guild=guild)}
    if stored == wanted and names == {command.name for command in await tree.fetch_commands(guild=guild)}:
        return
    await tree.sync(guild=guild)
    await settings.put("bot", "", SETTING, wanted)
    log.info("registered the commands %s", ", ".join(sorted(names)))


def digest(tree: Tree, guild: discord.Object | None) -> str:
    """Changes when a command, the application or the place where they are registered changes."""
    commands = [command.to_dict(tree) for command in tree.get_commands(guild=guild)]
    shown = json.dumps([tree.client.application_id, guild and guild.id, commands], sort_keys=True, default=str)
    return hashlib.blake2b(shown.encode(), digest_size=16).hexdigest()
