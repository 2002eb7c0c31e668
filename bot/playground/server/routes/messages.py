"""Messages of a channel (docs: resources/message.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.access import channel_of, check, check_editable, message_of, open_thread, send_permission
from bot.playground.server.compose import edit_message, lost_pictures, new_message, reference_of, unknown_fields
from bot.playground.server.messages import REPLY, Message
from bot.playground.server.permissions import Permission
from bot.playground.server.refusals import FormErrors, Refusal, cannot_message_user, not_the_author, too_many_old_edits
from bot.playground.server.routing import NO_CONTENT, Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()
OLD = 3600.0
OLD_EDITS, OLD_EDITS_SECONDS = 30, 3600.0
"""Edits of a message older than an hour: that there is a limit is documented (30046), its size is not (guesses.md)."""
NONCE_SECONDS = 300.0
"""enforce_nonce looks back "a few minutes" (docs: "Create Message")."""
BULK_SECONDS = 14 * 86_400.0


@routes.add("POST", "/channels/{channel}/messages")
async def create_message(site: "LocalDiscord", call: Call) -> Reply:
    """Post it, once per nonce."""
    channel = channel_of(site, call)
    check(site, channel, send_permission(channel) | (Permission.ATTACH_FILES if call.uploads else 0))
    if channel.is_private and not all(site.world.users[user].takes_dms for user in channel.recipients):
        raise cannot_message_user()
    open_thread(site, channel)
    body = call.json
    call.findings += unknown_fields(body)
    if body.get("enforce_nonce") and body.get("nonce") is not None:
        since = site.clock.now() - NONCE_SECONDS
        known = site.messages.by_nonce(channel.id, site.world.app.id, body["nonce"], since)
        if known is not None:
            return _shown(site, known)
    reference = reference_of(site, channel, body)
    if reference is not None:
        check(site, channel, Permission.READ_MESSAGE_HISTORY)
    message = new_message(site, channel, site.world.app.id, body, call.uploads)
    if reference is not None:
        message.type, message.reference = REPLY, reference
    call.findings += lost_pictures(message)
    return _shown(site, site.posting.post(message))


@routes.add("GET", "/channels/{channel}/messages")
async def list_messages(site: "LocalDiscord", call: Call) -> Reply:
    """Newest first; without READ_MESSAGE_HISTORY an empty list ("Get Channel Messages")."""
    channel = channel_of(site, call)
    limit = int(call.query.get("limit", "50"))
    if not 1 <= limit <= 100:
        errors = FormErrors()
        errors.add("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
        errors.check()
    try:
        check(site, channel, Permission.READ_MESSAGE_HISTORY)
    except Refusal:
        return Reply([])
    messages = [message for message in site.messages.of(channel.id) if not message.ephemeral]
    return Reply([_render(site, message) for message in _page(messages, call.query, limit)])


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
async def get_message(site: "LocalDiscord", call: Call) -> Reply:
    return _shown(site, message_of(site, call, Permission.READ_MESSAGE_HISTORY))


@routes.add("PATCH", "/channels/{channel}/messages/{message}")
async def patch_message(site: "LocalDiscord", call: Call) -> Reply:
    message = message_of(site, call)
    if message.author_id != site.world.app.id:
        raise not_the_author()
    check_editable(site, site.world.channels[message.channel_id])
    call.findings += unknown_fields(call.json)
    _count_old_edit(site, message)
    edit_message(site, message, call.json, call.uploads)
    call.findings += lost_pictures(message)
    site.posting.changed(message)
    return _shown(site, message)


def _count_old_edit(site: "LocalDiscord", message: Message) -> None:
    now = site.clock.now()
    if now - message.created_at < OLD:
        return
    message.old_edits = [at for at in message.old_edits if at > now - OLD_EDITS_SECONDS]
    if len(message.old_edits) >= site.old_edits:
        raise too_many_old_edits(
            message.old_edits[0] + OLD_EDITS_SECONDS - now if message.old_edits else OLD_EDITS_SECONDS
        )
    message.old_edits.append(now)


@routes.add("DELETE", "/channels/{channel}/messages/{message}")
async def delete_message(site: "LocalDiscord", call: Call) -> Reply:
    message = message_of(site, call)
    if message.author_id != site.world.app.id:
        check(site, site.world.channels[message.channel_id], Permission.MANAGE_MESSAGES)
    site.posting.delete(message)
    return NO_CONTENT


@routes.add("POST", "/channels/{channel}/messages/bulk-delete")
async def bulk_delete(site: "LocalDiscord", call: Call) -> Reply:
    """2 to 100 messages, none older than two weeks ("Bulk Delete Messages")."""
    channel = channel_of(site, call, Permission.MANAGE_MESSAGES)
    wanted = [int(message) for message in call.json.get("messages") or []]
    if not 2 <= len(wanted) <= 100:
        raise Refusal(
            400,
            50016,
            "Provided too few or too many messages to delete. "
            "Must provide at least 2 and fewer than 100 messages to delete",
        )
    found = [site.messages.get(channel.id, message) for message in wanted]
    if any(m is not None and site.clock.now() - m.created_at > BULK_SECONDS for m in found):
        raise Refusal(400, 50034, "You can only bulk delete messages that are under 14 days old.")
    for message in found:
        if message is not None and not message.ephemeral:
            site.posting.delete(message)
    return NO_CONTENT


def _render(site: "LocalDiscord", message: Message) -> dict[str, object]:
    return site.show(message, site.world.app.id, content=site.reads_content)


def _shown(site: "LocalDiscord", message: Message) -> Reply:
    return Reply(_render(site, message))
