"""Messages of a channel (docs: resources/message.mdx)."""

from bot.playground.server.actions.message_body import edit_message, new_message, reference_of
from bot.playground.server.rest.access import (
    channel_of,
    check,
    check_editable,
    message_of,
    open_thread,
    send_permission,
)
from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.rest.site import Site
from bot.playground.server.validation.errors import ApiError, FormErrors, cannot_message_user, not_the_author
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import REPLY, Message
from bot.playground.server.world.permissions import Permission

routes = Routes()
NONCE_SECONDS = 300.0
"""enforce_nonce covers "the past few minutes" (docs: "Create Message")."""
BULK_SECONDS = 14 * 86_400.0
MOST_PINS = 250


@routes.add("POST", "/channels/{channel}/messages")
async def create_message(call: Call) -> Reply:
    """Opens an archived thread. With enforce_nonce, a known nonce returns its message ("Create Message")."""
    channel = channel_of(call)
    check(call.site, channel, send_permission(channel) | (Permission.ATTACH_FILES if call.uploads else 0))
    if channel.is_private and not all(call.site.world.users[user].takes_dms for user in channel.recipients):
        raise cannot_message_user()
    open_thread(call.site, channel)
    body = call.json
    if body.get("enforce_nonce") and body.get("nonce") is not None:
        since = call.site.clock.now() - NONCE_SECONDS
        known = call.site.messages.by_nonce(channel.id, call.site.world.app.id, body["nonce"], since)
        if known is not None:
            return _shown(call, known)
    reference = reference_of(call.site, channel, body)
    if reference is not None:
        check(call.site, channel, Permission.READ_MESSAGE_HISTORY)
    message = new_message(call.site, channel, call.message_body)
    if reference is not None:
        message.type, message.reference = REPLY, reference
    return _shown(call, call.site.posting.post(message))


@routes.add("GET", "/channels/{channel}/messages")
async def list_messages(call: Call) -> Reply:
    """Newest first; without READ_MESSAGE_HISTORY an empty list ("Get Channel Messages")."""
    channel = channel_of(call)
    limit = int(call.query.get("limit", "50"))
    if not 1 <= limit <= 100:
        errors = FormErrors()
        errors.add("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        errors.check()
    try:
        check(call.site, channel, Permission.READ_MESSAGE_HISTORY)
    except ApiError:
        return Reply([])
    messages = [message for message in call.site.messages.of(channel.id) if not message.ephemeral]
    return Reply([_render(call.site, message) for message in _page(messages, call.query, limit)])


def _page(newest_first: list[Message], query: dict[str, str], limit: int) -> list[Message]:
    """before, after and around exclude each other; the answer is always newest first."""
    if "around" in query:
        middle = int(query["around"])
        older = [m for m in newest_first if m.id <= middle][: limit // 2 + 1]
        newer = [m for m in newest_first if m.id > middle]
        room = limit - len(older)
        return (newer[-room:] if room else []) + older
    if "before" in query:
        return [m for m in newest_first if m.id < int(query["before"])][:limit]
    if "after" in query:
        return [m for m in newest_first if m.id > int(query["after"])][-limit:]
    return newest_first[:limit]


@routes.add("GET", "/channels/{channel}/messages/{message}")
async def get_message(call: Call) -> Reply:
    return _shown(call, message_of(call, Permission.READ_MESSAGE_HISTORY))


@routes.add("PATCH", "/channels/{channel}/messages/{message}")
async def patch_message(call: Call) -> Reply:
    site, message = call.site, message_of(call)
    if message.author_id != site.world.app.id:
        raise not_the_author()
    check_editable(site, site.world.channels[message.channel_id])
    site.limits.take_old_edit(message)
    edit_message(site, message, call.message_body)
    site.posting.changed(message)
    return _shown(call, message)


@routes.add("DELETE", "/channels/{channel}/messages/{message}")
async def delete_message(call: Call) -> Reply:
    message = message_of(call)
    if message.author_id != call.site.world.app.id:
        check(call.site, call.site.world.channels[message.channel_id], Permission.MANAGE_MESSAGES)
    call.site.posting.delete(message)
    return NO_CONTENT


@routes.add("PUT", "/channels/{channel}/messages/pins/{message}")
async def pin_message(call: Call) -> Reply:
    """At most 250 in a channel ("Pin Message"). No system message is posted: see assumptions.md."""
    message = message_of(call, Permission.PIN_MESSAGES)
    if not message.pinned:
        if sum(one.pinned for one in call.site.messages.of(message.channel_id)) >= MOST_PINS:
            raise ApiError(400, 30003, "Maximum number of pins reached for the channel (250)")
        message.pinned = True
        call.site.posting.changed(message, edited=False)
    return NO_CONTENT


@routes.add("POST", "/channels/{channel}/messages/bulk-delete")
async def bulk_delete(call: Call) -> Reply:
    """2 to 100 messages, none older than two weeks ("Bulk Delete Messages")."""
    channel = channel_of(call, Permission.MANAGE_MESSAGES)
    wanted = [int(message) for message in call.json.get("messages") or []]
    if not 2 <= len(wanted) <= 100:
        raise ApiError(
            400,
            50016,
            "Provided too few or too many messages to delete. "
            "Must provide at least 2 and fewer than 100 messages to delete",
        )
    found = [call.site.messages.get(channel.id, message) for message in wanted]
    if any(m is not None and call.site.clock.now() - m.created_at > BULK_SECONDS for m in found):
        raise ApiError(400, 50034, "You can only bulk delete messages that are under 14 days old.")
    for message in found:
        if message is not None and not message.ephemeral:
            call.site.posting.delete(message)
    return NO_CONTENT


def _render(site: Site, message: Message) -> Json:
    return site.show(message, site.world.app.id, content=site.reads_content)


def _shown(call: Call, message: Message) -> Reply:
    return Reply(_render(call.site, message))
