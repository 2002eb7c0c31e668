"""Who is called by a message (docs: resources/message.mdx, "Allowed Mentions Object")."""

import re
from dataclasses import dataclass
from typing import Any

from bot.playground.server.json_types import Json
from bot.playground.server.permissions import Permission, permissions
from bot.playground.server.refusals import FormErrors
from bot.playground.server.world import Channel, World

_USER, _ROLE, _EVERYONE = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>"), re.compile(r"@(?:everyone|here)\b")
_KINDS = {"users", "roles", "everyone"}
_MOST = 100


@dataclass(frozen=True)
class Mentions:
    """The people and roles that a message pings."""

    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    everyone: bool = False


def check_allowed(allowed: Any, errors: FormErrors) -> None:
    """`parse` and the lists exclude each other ("Allowed Mentions Reference")."""
    if not isinstance(allowed, dict):
        return
    parse = set(allowed.get("parse") or ())
    for kind in parse - _KINDS:
        errors.add("allowed_mentions.parse", "BASE_TYPE_CHOICES", f"Value {kind!r} must be one of {sorted(_KINDS)}.")
    for kind in ("users", "roles"):
        listed = allowed.get(kind) or ()
        if listed and kind in parse:
            errors.add(
                "allowed_mentions",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )
        if len(listed) > _MOST:
            errors.too_long(f"allowed_mentions.{kind}", _MOST)


def found(world: World, channel: Channel, author_id: int, text: str, allowed: Json | None) -> Mentions:
    """The mentions in *text* that *allowed* lets through and that exist; @everyone needs its permission."""
    guild = world.guild_of(channel)
    users = [int(user) for user in _USER.findall(text) if _allows(allowed, "users", user) and int(user) in world.users]
    roles = [
        int(role)
        for role in _ROLE.findall(text)
        if guild and int(role) in guild.roles and _allows(allowed, "roles", role)
    ]
    may = permissions(world, channel, author_id) & Permission.MENTION_EVERYONE
    everyone = bool(_EVERYONE.search(text)) and bool(may) and _allows(allowed, "everyone", "")
    return Mentions(tuple(dict.fromkeys(users)), tuple(dict.fromkeys(roles)), everyone)


def _allows(allowed: Json | None, kind: str, snowflake: str) -> bool:
    if allowed is None:
        return True
    return kind in (allowed.get("parse") or ()) or snowflake in [str(one) for one in allowed.get(kind) or ()]
