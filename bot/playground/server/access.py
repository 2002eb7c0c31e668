"""Finds what a request names, or refuses: 404 for what is not there, 403 for what the bot may not do."""

from typing import TYPE_CHECKING

from bot.playground.server.messages import Message
from bot.playground.server.permissions import Permission, permissions
from bot.playground.server.refusals import missing_access, missing_permissions, unknown
from bot.playground.server.routing import Call
from bot.playground.server.world import Channel, Guild

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord


def channel_of(site: "LocalDiscord", call: Call, needed: int = 0) -> Channel:
    """The channel of the path. 50001 without VIEW_CHANNEL, 50013 without *needed*."""
    channel = site.world.channels.get(call.id("channel"))
    if channel is None:
        raise unknown("Channel")
    check(site, channel, needed)
    return channel


def check(site: "LocalDiscord", channel: Channel, needed: int) -> None:
    """Refuse unless the bot sees *channel* and has all of *needed* there."""
    bits = permissions(site.world, channel, site.world.app.id)
    if not bits & Permission.VIEW_CHANNEL:
        raise missing_access()
    if needed & ~bits:
        raise missing_permissions()


def send_permission(channel: Channel) -> Permission:
    return Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES


def message_of(site: "LocalDiscord", call: Call, needed: int = 0) -> Message:
    """The message of the path. Ephemeral ones are not found this way: channels do not hold them."""
    channel = channel_of(site, call, needed)
    message = site.messages.get(channel.id, call.id("message"))
    if message is None or message.ephemeral:
        raise unknown("Message")
    return message


def guild_of(site: "LocalDiscord", call: Call) -> Guild:
    guild = site.world.guilds.get(call.id("guild"))
    if guild is None:
        raise unknown("Guild")
    if site.world.app.id not in guild.members:
        raise missing_access()
    return guild
