"""Registers the slash commands with Discord if they have changed; Discord allows 200 new ones a day.

Clients list global commands and those of the server side by side. A place where commands are no longer wanted is
emptied, because they would appear twice.
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

from bot.errors import StoreError
from bot.interactions.handlers import failure_text
from bot.interactions.message_api import FAILURES
from bot.storage.moderation import SettingsTable

Tree: TypeAlias = app_commands.CommandTree[Any]

log = logging.getLogger(__name__)

SETTING = "commands"
PLACES = "commands_places"
"""The setting that lists every place where commands may be registered."""
EVERYWHERE = 0
"""The place of global commands; other places are server ids."""
MESSAGE_COMMANDS = 15
"""Message commands that Discord allows an app (interactions/application-commands.mdx, "Registering a Command")."""
PAUSES = (5.0, 30.0, 120.0, 600.0)
"""Seconds between tries; after the last one the next start tries again."""


async def register_commands(tree: Tree, settings: SettingsTable, test_guild: int) -> None:
    """Bring Discord's list of commands up to date. Failures are logged and retried."""
    guild = discord.Object(test_guild) if test_guild else None
    if guild:
        _copy_to(tree, guild)
    for pause in (*PAUSES, None):
        try:
            await _register(tree, settings, guild)
            return
        except (*FAILURES, StoreError) as error:
            log.warning("the commands could not be registered: %s", failure_text(error))
        if pause is not None:
            await asyncio.sleep(pause)


def add_menu(tree: Tree, menu: app_commands.ContextMenu) -> None:
    """Add a global message command. `CommandTree.add_command` stops at 5; Discord's limit is `MESSAGE_COMMANDS`.

    Raises CommandLimitReached.
    """
    kind = menu.type.value
    if sum(1 for _, place, other in tree._context_menus if place is None and other == kind) >= MESSAGE_COMMANDS:
        raise app_commands.CommandLimitReached(guild_id=None, limit=MESSAGE_COMMANDS, type=menu.type)
    tree._context_menus[(menu.name, None, kind)] = menu


def _copy_to(tree: Tree, guild: discord.Object) -> None:
    """As `CommandTree.copy_global_to`, with all message commands."""
    for command in tree.get_commands():
        if isinstance(command, app_commands.ContextMenu):
            tree._context_menus[(command.name, guild.id, command.type.value)] = command
        else:
            tree.add_command(command, guild=guild, override=True)


async def _register(tree: Tree, settings: SettingsTable, guild: discord.Object | None) -> None:
    """Register here, then empty all other places. A place is noted first, because the bot may stop in between."""
    here = guild.id if guild else EVERYWHERE
    places = await _places(settings)
    if here not in places:
        await settings.put("bot", "", PLACES, [*places, here])
    await _bring_up_to_date(tree, settings, guild)
    for place in places:
        if place != here:
            await _empty(tree, place)
    await settings.put("bot", "", PLACES, [here])


async def _places(settings: SettingsTable) -> list[int]:
    """Places that may hold commands; global if none was noted."""
    noted = (await settings.all("bot")).get(PLACES)
    return [int(place) for place in noted] if isinstance(noted, list) else [EVERYWHERE]


async def _empty(tree: Tree, place: int) -> None:
    with contextlib.suppress(discord.Forbidden):  # the bot has left that server
        await _overwrite(tree, place, [])
    log.info("removed the commands %s", f"of server {place}" if place else "that were global")


async def _overwrite(tree: Tree, place: int, commands: list[Any]) -> None:
    """As `CommandTree.sync`, without a model of each command in the answer."""
    app_id = tree.client.application_id or 0
    if place == EVERYWHERE:
        await tree.client.http.bulk_upsert_global_commands(app_id, commands)
    else:
        await tree.client.http.bulk_upsert_guild_commands(app_id, place, commands)


async def _names(tree: Tree, place: int) -> set[str]:
    """The names of the commands that Discord lists for a place."""
    app_id, http = tree.client.application_id or 0, tree.client.http
    found = await (http.get_global_commands(app_id) if place == EVERYWHERE else http.get_guild_commands(app_id, place))
    return {command["name"] for command in found}


async def _bring_up_to_date(tree: Tree, settings: SettingsTable, guild: discord.Object | None) -> None:
    """Register unless the commands equal those registered last and those that Discord lists."""
    place, commands = guild.id if guild else EVERYWHERE, [c.to_dict(tree) for c in tree.get_commands(guild=guild)]
    wanted, names = _digest(tree, guild, commands), {command["name"] for command in commands}
    stored = (await settings.all("bot")).get(SETTING)
    if stored == wanted and names == await _names(tree, place):
        return
    await _overwrite(tree, place, commands)
    await settings.put("bot", "", SETTING, wanted)
    log.info("registered the commands %s", ", ".join(sorted(names)))


def _digest(tree: Tree, guild: discord.Object | None, commands: list[Any]) -> str:
    """A hash of commands, application and place."""
    shown = json.dumps([tree.client.application_id, guild and guild.id, commands], sort_keys=True, default=str)
    return hashlib.blake2b(shown.encode(), digest_size=16).hexdigest()
