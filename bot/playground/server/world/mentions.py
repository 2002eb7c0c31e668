"""The mentions in a message (docs: resources/message.mdx, "Allowed Mentions Object")."""

import re
from dataclasses import dataclass

from bot.playground.server.world.entities import Channel, World
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.permissions import Permission, permissions

_USER, _ROLE, _EVERYONE = re.compile(r"<@!?(\d+)>"), re.compile(r"<@&(\d+)>"), re.compile(r"@(?:everyone|here)\b")


@dataclass(frozen=True)
class Mentions:
    """The users and roles that a message mentions."""

    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    everyone: bool = False


def found(world: World, channel: Channel, author_id: int, text: str, allowed: Json | None) -> Mentions:
    """The mentions in *text* that exist and that *allowed* permits; @everyone needs MENTION_EVERYONE."""
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
