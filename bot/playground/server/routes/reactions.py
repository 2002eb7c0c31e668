"""Reactions (docs: resources/message.mdx, "Create Reaction" and on)."""

import unicodedata
from typing import TYPE_CHECKING

from bot.playground.server.access import check, message_of
from bot.playground.server.payloads import user_payload
from bot.playground.server.permissions import Permission
from bot.playground.server.refusals import Refusal, unknown
from bot.playground.server.routing import NO_CONTENT, Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()
DIFFERENT = 20
"""Different emojis on one message (error 30010)."""
_BASE = "/channels/{channel}/messages/{message}/reactions"
_JOINERS = {"\u200d", "\ufe0f", "\u20e3"}


def emoji_key(text: str) -> str:
    """The key of an emoji as the path has it: "👍" or "name:id"; 10014 for anything else."""
    name, _, custom = text.partition(":")
    if custom.isdigit() and name:
        return text
    # Emoji are symbols outside ASCII; digits and # are only when a keycap sign follows.
    symbol = any(unicodedata.category(sign) in ("So", "Sk", "Sm", "Po") and ord(sign) > 127 for sign in text)
    if text and (symbol or "\u20e3" in text or any(ord(sign) > 0x1F000 for sign in text)):
        return text
    raise Refusal(400, 10014, "Unknown Emoji")


def same_emoji(message_keys: list[str], key: str) -> str:
    """The key under which a message holds *key*: with or without its variation selector is the same emoji."""
    plain = key.replace("\ufe0f", "")
    return next((known for known in message_keys if known.replace("\ufe0f", "") == plain), key)


@routes.add("PUT", _BASE + "/{emoji}/@me")
async def create_reaction(site: "LocalDiscord", call: Call) -> Reply:
    """Needs ADD_REACTIONS only where nobody has reacted so yet."""
    message = message_of(site, call, Permission.READ_MESSAGE_HISTORY)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    if key not in message.reactions:
        check(site, site.world.channels[message.channel_id], Permission.ADD_REACTIONS)
        if len(message.reactions) >= DIFFERENT:
            raise Refusal(403, 30010, "Maximum number of reactions reached (20)")
    site.posting.react(message, key, site.world.app.id)
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}/@me")
async def delete_own_reaction(site: "LocalDiscord", call: Call) -> Reply:
    message = message_of(site, call)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    site.posting.unreact(message, key, site.world.app.id)
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}/{user}")
async def delete_user_reaction(site: "LocalDiscord", call: Call) -> Reply:
    message = message_of(site, call, Permission.MANAGE_MESSAGES)
    if call.id("user") not in site.world.users:
        raise unknown("User")
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    site.posting.unreact(message, key, call.id("user"))
    return NO_CONTENT


@routes.add("GET", _BASE + "/{emoji}")
async def list_reactions(site: "LocalDiscord", call: Call) -> Reply:
    """Who reacted so, by user id, from `after` on."""
    message = message_of(site, call, Permission.READ_MESSAGE_HISTORY)
    key = same_emoji(list(message.reactions), emoji_key(call.params["emoji"]))
    after, limit = int(call.query.get("after", "0")), int(call.query.get("limit", "25"))
    who = sorted(user for user in message.reactions.get(key, []) if user > after)[:limit]
    return Reply([user_payload(site.world.users[user]) for user in who])


@routes.add("DELETE", _BASE)
async def delete_all_reactions(site: "LocalDiscord", call: Call) -> Reply:
    site.posting.clear_reactions(message_of(site, call, Permission.MANAGE_MESSAGES))
    return NO_CONTENT


@routes.add("DELETE", _BASE + "/{emoji}")
async def delete_emoji_reactions(site: "LocalDiscord", call: Call) -> Reply:
    message = message_of(site, call, Permission.MANAGE_MESSAGES)
    site.posting.clear_reactions(message, same_emoji(list(message.reactions), emoji_key(call.params["emoji"])))
    return NO_CONTENT
