"""Channels, typing and threads (docs: resources/channel.mdx)."""

from bot.playground.server.rest.access import channel_of, check, message_of, send_permission
from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.validation.errors import ApiError, FormErrors
from bot.playground.server.world.entities import Channel, ChannelType
from bot.playground.server.world.events import Event, Intent, fixed
from bot.playground.server.world.messages import HAS_THREAD
from bot.playground.server.world.payloads import channel_payload
from bot.playground.server.world.permissions import Permission

routes = Routes()


@routes.add("GET", "/channels/{channel}")
async def get_channel(call: Call) -> Reply:
    return Reply(channel_payload(call.site.world, channel_of(call)))


@routes.add("POST", "/channels/{channel}/typing")
async def trigger_typing(call: Call) -> Reply:
    channel = channel_of(call)
    check(call.site, channel, send_permission(channel))
    call.site.posting.typing(channel, call.site.world.app.id)
    return NO_CONTENT


@routes.add("POST", "/channels/{channel}/messages/{message}/threads")
async def thread_from_message(call: Call) -> Reply:
    """A public thread; it takes the message's id ("Start Thread from Message")."""
    message = message_of(call, Permission.CREATE_PUBLIC_THREADS)
    if message.flags & HAS_THREAD:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    parent = call.site.world.channels[message.channel_id]
    thread = _new_thread(call, parent, message.id, ChannelType.PUBLIC_THREAD)
    message.flags |= HAS_THREAD
    call.site.posting.changed(message, edited=False)
    return Reply(channel_payload(call.site.world, thread), 201)


@routes.add("POST", "/channels/{channel}/threads")
async def thread_alone(call: Call) -> Reply:
    """A thread without a message; private unless told otherwise ("Start Thread without Message")."""
    kind = ChannelType(call.json.get("type", ChannelType.PRIVATE_THREAD))
    private = kind is ChannelType.PRIVATE_THREAD
    channel = channel_of(call, Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS)
    return Reply(channel_payload(call.site.world, _new_thread(call, channel, call.site.ids.next(), kind)), 201)


def _new_thread(call: Call, parent: Channel, thread_id: int, kind: ChannelType) -> Channel:
    site, name = call.site, call.json.get("name") or ""
    errors = FormErrors()
    if not 1 <= len(name) <= 100:
        errors.bad_length("name", 1, 100)
    if parent.guild_id is None or parent.is_thread:
        errors.add("", "CHANNEL_TYPE_INVALID", "Cannot execute action on this channel type")
    errors.check()
    thread = Channel(thread_id, kind, name, parent.guild_id, parent_id=parent.id, owner_id=site.world.app.id)
    thread.created_at, thread.nsfw = site.clock.now(), parent.nsfw
    site.world.channels[thread.id] = thread
    data = {**channel_payload(site.world, thread), "newly_created": True}
    site.hub.publish(Event("THREAD_CREATE", fixed(data), parent.guild_id, thread.id, Intent.GUILDS))
    return thread
