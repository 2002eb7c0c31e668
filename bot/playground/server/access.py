"""Finds what a request names, or refuses: 404 for what is not there, 403 for what the bot may not do."""

from typing import TYPE_CHECKING

from bot.playground.server.messages import Message
from bot.playground.server.permissions import Permission, permissions
from bot.playground.server.refusals import missing_access, missing_permissions, thread_archived, thread_locked, unknown
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


def check_editable(site: "LocalDiscord", channel: Channel) -> None:
    """Refuse in a thread that is archived, or locked for who may not manage threads."""
    if channel.archived:
        raise thread_archived()
    if channel.locked and not _manages_threads(site, channel):
        raise thread_locked()


def open_thread(site: "LocalDiscord", channel: Channel) -> None:
    """Somebody writes: an archived thread is open again; a locked one refuses (topics/threads.mdx)."""
    if channel.locked and not _manages_threads(site, channel):
        raise thread_archived() if channel.archived else thread_locked()
    if channel.archived:
        channel.archived = False
        site.thread_changed(channel)


def _manages_threads(site: "LocalDiscord", channel: Channel) -> bool:
    return bool(permissions(site.world, channel, site.world.app.id) & Permission.MANAGE_THREADS)


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
