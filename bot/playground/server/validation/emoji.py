"""Emoji keys (docs: resources/message.mdx, "Create Reaction")."""

import unicodedata

from bot.playground.server.validation.errors import ApiError


def emoji_key(text: str) -> str:
    """The key of an emoji as the path has it: "👍" or "name:id"; 10014 for anything else."""
    name, _, custom = text.partition(":")
    if custom.isdigit() and name:
        return text
    # Emoji are symbols outside ASCII; digits and # are only when a keycap sign follows.
    symbol = any(unicodedata.category(sign) in ("So", "Sk", "Sm", "Po") and ord(sign) > 127 for sign in text)
    if text and (symbol or "\u20e3" in text or any(ord(sign) > 0x1F000 for sign in text)):
        return text
    raise ApiError(400, 10014, "Unknown Emoji")


def same_emoji(message_keys: list[str], key: str) -> str:
    """The key under which a message holds *key*: with or without its variation selector is the same emoji."""
    plain = key.replace("\ufe0f", "")
    return next((known for known in message_keys if known.replace("\ufe0f", "") == plain), key)
