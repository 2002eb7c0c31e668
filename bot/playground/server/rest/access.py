"""Looks up the objects of a path; raises ApiError 404 for unknown ones, 403 without the permission."""

from bot.playground.server.actions.state import SiteState
from bot.playground.server.rest.routing import Call
from bot.playground.server.validation.errors import (
    missing_access,
    missing_permissions,
    thread_archived,
    thread_locked,
    unknown,
)
from bot.playground.server.world.entities import Channel, Guild
from bot.playground.server.world.messages import Message
from bot.playground.server.world.permissions import Permission, permissions


def channel_of(call: Call, needed: int = 0) -> Channel:
    """The channel of the path. 50001 without VIEW_CHANNEL, 50013 without *needed*."""
    channel = call.site.world.channels.get(call.id("channel"))
    if channel is None:
        raise unknown("Channel")
    check(call.site, channel, needed)
    return channel


def check(state: SiteState, channel: Channel, needed: int) -> None:
    """Raises ApiError unless the bot sees *channel* and has all of *needed* there."""
    bits = permissions(state.world, channel, state.world.app.id)
    if not bits & Permission.VIEW_CHANNEL:
        raise missing_access()
    if needed & ~bits:
        raise missing_permissions()


def send_permission(channel: Channel) -> Permission:
    return Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES


def check_editable(state: SiteState, channel: Channel) -> None:
    """Raises ApiError in an archived thread, and in a locked one without MANAGE_THREADS."""
    if channel.archived:
        raise thread_archived()
    if channel.locked and not _manages_threads(state, channel):
        raise thread_locked()


def open_thread(state: SiteState, channel: Channel) -> None:
    """A message opens an archived thread; a locked one raises ApiError (topics/threads.mdx)."""
    if channel.locked and not _manages_threads(state, channel):
        raise thread_archived() if channel.archived else thread_locked()
    if channel.archived:
        channel.archived = False
        state.channel_changed(channel)


def _manages_threads(state: SiteState, channel: Channel) -> bool:
    return bool(permissions(state.world, channel, state.world.app.id) & Permission.MANAGE_THREADS)


def message_of(call: Call, needed: int = 0) -> Message:
    """The message of the path; 10008 for ephemeral ones, which channels do not list."""
    channel = channel_of(call, needed)
    message = call.site.messages.get(channel.id, call.id("message"))
    if message is None or message.ephemeral:
        raise unknown("Message")
    return message


def guild_of(call: Call) -> Guild:
    guild = call.site.world.guilds.get(call.id("guild"))
    if guild is None:
        raise unknown("Guild")
    if call.site.world.app.id not in guild.members:
        raise missing_access()
    return guild
