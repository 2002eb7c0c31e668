"""Where and by whom commands can be used (docs: interactions/application-commands.mdx, "Contexts")."""

from bot.playground.server.world.entities import Channel, ChannelType, World
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission, permissions

GUILD, BOT_DM, PRIVATE_CHANNEL = 0, 1, 2
GUILD_INSTALL, USER_INSTALL = 0, 1
BY_DEFAULT = (GUILD, BOT_DM)
"""Contexts of a command that names none. The docs say all; bots observed that private channels are missing
(assumptions.md)."""


def context_of(world: World, channel: Channel) -> int:
    """docs: interactions/receiving-and-responding.mdx, "Interaction Context Types"."""
    if channel.guild_id is not None:
        return GUILD
    return BOT_DM if channel.type is ChannelType.DM and world.app.id in channel.recipients else PRIVATE_CHANNEL


def usable_commands(world: World, commands: list[Json], channel: Channel, user_id: int) -> list[Json]:
    """Those of *commands* that the user can use in this channel."""
    return [command for command in commands if not refusal_reason(world, channel, user_id, command)]


def refusal_reason(world: World, channel: Channel, user_id: int, command: Json) -> str:
    """Why the user cannot use the command in this channel; "" if they can."""
    name = f"/{command['name']}"
    if "guild_id" not in command and not _in_context(world, channel, command):
        return f"{name} cannot be used here"
    if not _installed(world, channel, user_id, command):
        return f"{name} is not installed here"
    if command["nsfw"] and channel.guild_id is not None and not channel.nsfw:
        return f"{name} works only in age-restricted channels"
    return "" if _permitted(world, channel, user_id, command) else f"you do not have permission to use {name}"


def _in_context(world: World, channel: Channel, command: Json) -> bool:
    context = context_of(world, channel)
    if context == BOT_DM and command.get("dm_permission") is False and not command.get("contexts"):
        return False
    return context in (command.get("contexts") or BY_DEFAULT)


def _installed(world: World, channel: Channel, user_id: int, command: Json) -> bool:
    """Installed in the server (or in the app's own DM), or by the user."""
    kinds = command.get("integration_types") or (GUILD_INSTALL,)
    here = channel.guild_id is not None and world.app.id in world.guilds[channel.guild_id].members
    by_guild = here or context_of(world, channel) == BOT_DM
    return (by_guild and GUILD_INSTALL in kinds) or (user_id in world.app.user_installs and USER_INSTALL in kinds)


def _permitted(world: World, channel: Channel, user_id: int, command: Json) -> bool:
    """The user has all `default_member_permissions` or ADMINISTRATOR; "0" allows administrators only."""
    wanted = command.get("default_member_permissions")
    if wanted is None or channel.guild_id is None:
        return True
    bits = permissions(world, channel, user_id)
    if bits & Permission.ADMINISTRATOR:
        return True
    return int(wanted) != 0 and not int(wanted) & ~bits
