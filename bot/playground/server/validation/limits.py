"""Limits of content, embeds and files (docs: resources/message.mdx, "Embed Limits" and others)."""

from typing import Any

from bot.playground.server.validation.errors import FormErrors
from bot.playground.server.world.entities import Guild
from bot.playground.server.world.json_types import Json

CONTENT = 2000
"""resources/message.mdx, "Create Message"; resources/webhook.mdx, "Execute Webhook"."""
EMBEDS = 10
EMBED_CHARACTERS = 6000
"""Over all embeds of a message together."""
EMBED_FIELDS = 25
ATTACHMENTS = 10
ALT_TEXT = 1024
NONCE = 25
MENTIONS, MENTION_KINDS = 100, {"users", "roles", "everyone"}
TITLE, DESCRIPTION, FIELD_NAME, FIELD_VALUE, FOOTER, AUTHOR = 256, 4096, 256, 1024, 2048, 256

_MIB = 2**20
_FILE_BY_TIER = {0: 10 * _MIB, 1: 10 * _MIB, 2: 50 * _MIB, 3: 100 * _MIB}
"""Bytes by boost level (reference.mdx, "Uploading Files"; boosted sizes from Discord's help pages)."""


def file_limit(guild: Guild | None) -> int:
    """The limit in bytes per file in this guild or, for None, in a DM."""
    return _FILE_BY_TIER[guild.premium_tier if guild else 0]


def check_content(content: Any, errors: FormErrors) -> None:
    if content is not None and not isinstance(content, str):
        errors.add("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    elif content and len(content) > CONTENT:
        errors.too_long("content", CONTENT)


def check_nonce(nonce: Any, errors: FormErrors) -> None:
    if isinstance(nonce, str) and len(nonce) > NONCE:
        errors.too_long("nonce", NONCE)


def check_embeds(embeds: list[Json], errors: FormErrors) -> None:
    """Limits of each embed, and of all together."""
    if len(embeds) > EMBEDS:
        errors.too_long("embeds", EMBEDS)
    for number, embed in enumerate(embeds):
        _check_embed(embed, f"embeds.{number}", errors)
    if sum(_characters(embed) for embed in embeds) > EMBED_CHARACTERS:
        errors.add("embeds", "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBED_CHARACTERS}")


def _check_embed(embed: Json, path: str, errors: FormErrors) -> None:
    _short(embed, "title", TITLE, path, errors)
    _short(embed, "description", DESCRIPTION, path, errors)
    _short(embed.get("footer") or {}, "text", FOOTER, f"{path}.footer", errors)
    _short(embed.get("author") or {}, "name", AUTHOR, f"{path}.author", errors)
    fields = embed.get("fields") or []
    if len(fields) > EMBED_FIELDS:
        errors.too_long(f"{path}.fields", EMBED_FIELDS)
    for number, field in enumerate(fields):
        _required_text(field, "name", FIELD_NAME, f"{path}.fields.{number}", errors)
        _required_text(field, "value", FIELD_VALUE, f"{path}.fields.{number}", errors)
    for part in ("image", "thumbnail"):
        _check_url((embed.get(part) or {}).get("url"), f"{path}.{part}.url", errors)
    color = embed.get("color")
    if color is not None and not 0 <= color <= 0xFFFFFF:
        errors.add(f"{path}.color", "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215.")


def _check_url(url: Any, path: str, errors: FormErrors) -> None:
    if url is not None and not str(url).startswith(("http://", "https://", "attachment://")):
        errors.add(path, "URL_TYPE_INVALID_SCHEME", "Scheme must be one of ('http', 'https', 'attachment').")


def _short(part: Json, key: str, limit: int, path: str, errors: FormErrors) -> None:
    if len(part.get(key) or "") > limit:
        errors.too_long(f"{path}.{key}", limit)


def _required_text(part: Json, key: str, limit: int, path: str, errors: FormErrors) -> None:
    if not str(part.get(key) or "").strip():
        errors.required(f"{path}.{key}")
    else:
        _short(part, key, limit, path, errors)


def _characters(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [field.get(key) for field in embed.get("fields") or [] for key in ("name", "value")]
    # Discord trims the texts ("Embed Limits").
    return sum(len(text.strip()) for text in texts if text)


def check_mentions(allowed: Any, errors: FormErrors) -> None:
    """`parse` and the lists exclude each other ("Allowed Mentions Reference")."""
    if not isinstance(allowed, dict):
        return
    parse = set(allowed.get("parse") or ())
    for kind in parse - MENTION_KINDS:
        errors.add(
            "allowed_mentions.parse", "BASE_TYPE_CHOICES", f"Value {kind!r} must be one of {sorted(MENTION_KINDS)}."
        )
    for kind in ("users", "roles"):
        listed = allowed.get(kind) or ()
        if listed and kind in parse:
            errors.add(
                "allowed_mentions",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )
        if len(listed) > MENTIONS:
            errors.too_long(f"allowed_mentions.{kind}", MENTIONS)
