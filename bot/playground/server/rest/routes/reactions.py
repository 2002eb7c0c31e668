"""Reactions (docs: resources/message.mdx, "Create Reaction" and on)."""

from bot.playground.server.rest.access import check, message_of
from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.validation.emoji import emoji_key, same_emoji
from bot.playground.server.validation.errors import ApiError, unknown
from bot.playground.server.world.payloads import user_payload
from bot.playground.server.world.permissions import Permission

routes = Routes()
DIFFERENT = 20
"""Different emojis on one message (error 30010)."""
_BASE = "/channels/{channel}/messages/{message}/reactions"


@routes.add("PUT", _BASE + "/{emoji}/@me")
async def create_reaction(call: Call) -> Reply:
    """Needs ADD_REACTIONS only for an emoji that the message does not have yet."""
    message = message_of(call, Permission.READ_MESSAGE_HISTORY)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    if key not in message.reactions:
        check(call.site, call.site.world.channels[message.channel_id], Permission.ADD_REACTIONS)
        if len(message.reactions) >= DIFFERENT:
            raise ApiError(403, 30010, "Maximum number of reactions reached (20)")
    call.site.posting.react(message, key, call.site.world.app.id)
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}/@me")
async def delete_own_reaction(call: Call) -> Reply:
    message = message_of(call)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    call.site.posting.unreact(message, key, call.site.world.app.id)
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}/{user}")
async def delete_user_reaction(call: Call) -> Reply:
    message = message_of(call, Permission.MANAGE_MESSAGES)
    if call.id("user") not in call.site.world.users:
        raise unknown("User")
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    call.site.posting.unreact(message, key, call.id("user"))
    return NO_CONTENT


@routes.add("GET", _BASE + "/{emoji}")
async def list_reactions(call: Call) -> Reply:
    """The users who reacted with this emoji, by id, after `after`."""
    message = message_of(call, Permission.READ_MESSAGE_HISTORY)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    after, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "25"))
    who = sorted(user for user in message.reactions.get(key, []) if user > after)[:limit]
    return Reply([user_payload(call.site.world.users[user]) for user in who])


@routes.add("DELETE", _BASE)
async def delete_all_reactions(call: Call) -> Reply:
    call.site.posting.clear_reactions(message_of(call, Permission.MANAGE_MESSAGES))
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}")
async def delete_emoji_reactions(call: Call) -> Reply:
    message = message_of(call, Permission.MANAGE_MESSAGES)
    call.site.posting.clear_reactions(message, same_emoji(list(message.reactions), emoji_key(call.params["emoji"])))
    return NO_CONTENT
