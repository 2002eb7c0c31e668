"""The values of select menus and their resolved objects (docs: components/reference.mdx, selects)."""

from collections.abc import Callable

from bot.playground.server.validation.components import ComponentKind, walk
from bot.playground.server.world.entities import Channel, World
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.payloads import channel_payload, interaction_member, role_payload, user_payload
from bot.playground.server.world.permissions import permissions

Add = Callable[[World, Channel, str, Json], None]
_MEMBER_LACKS = ("user", "deaf", "mute")
"""docs: interactions/receiving-and-responding.mdx, "Resolved Data Structure", note on partial members."""


class UnknownEntityError(Exception):
    """An id does not belong to an object of the expected kind."""


def wrong_choice(component: Json, values: list[str]) -> str:
    """Why these values cannot be chosen; "" if they can."""
    low, high = component.get("min_values", 1), component.get("max_values", 1)
    if not low <= len(values) <= high:
        return f"choose {low} to {high} values, not {len(values)}"
    offered = {option["value"] for option in component.get("options") or []}
    if (
        component["type"] in (ComponentKind.STRING_SELECT, ComponentKind.RADIO_GROUP, ComponentKind.CHECKBOX_GROUP)
        and not set(values) <= offered
    ):
        return f"{sorted(set(values) - offered)} is not offered; offered: {sorted(offered)}"
    return ""


def add_user(world: World, channel: Channel, value: str, resolved: Json) -> None:
    """A user, and its member in the channel's guild."""
    user = world.users.get(int(value))
    if user is None:
        raise UnknownEntityError(f"no user has the id {value}")
    resolved.setdefault("users", {})[value] = user_payload(user)
    guild = world.guild_of(channel)
    if guild and user.id in guild.members:
        member = interaction_member(world, channel, guild.members[user.id])
        resolved.setdefault("members", {})[value] = {k: v for k, v in member.items() if k not in _MEMBER_LACKS}


def add_role(world: World, channel: Channel, value: str, resolved: Json) -> None:
    guild = world.guild_of(channel)
    role = guild.roles.get(int(value)) if guild else None
    if role is None:
        raise UnknownEntityError(f"no role of this server has the id {value}")
    resolved.setdefault("roles", {})[value] = role_payload(role)


def add_mentionable(world: World, channel: Channel, value: str, resolved: Json) -> None:
    """A user or a role."""
    add = add_user if int(value) in world.users else add_role
    add(world, channel, value, resolved)


def add_channel(world: World, channel: Channel, value: str, resolved: Json) -> None:
    found = world.channels.get(int(value))
    if found is None or found.guild_id != channel.guild_id:
        raise UnknownEntityError(f"no channel of this server has the id {value}")
    bits = str(permissions(world, found, world.app.id))
    resolved.setdefault("channels", {})[value] = {**channel_payload(world, found), "permissions": bits}


BY_SELECT: dict[int, Add] = {
    ComponentKind.USER_SELECT: add_user,
    ComponentKind.ROLE_SELECT: add_role,
    ComponentKind.MENTIONABLE_SELECT: add_mentionable,
    ComponentKind.CHANNEL_SELECT: add_channel,
}


def resolve_choice(world: World, channel: Channel, kind: int, values: list[str]) -> Json:
    """The `resolved` of a menu of users, roles or channels; empty for string menus."""
    resolved: Json = {}
    add = BY_SELECT.get(kind)
    for value in values if add else []:
        assert add is not None
        add(world, channel, value, resolved)
    return resolved


def resolve_fields(world: World, channel: Channel, parts: list[Json]) -> Json:
    """The `resolved` of all menus in a submitted modal."""
    resolved: Json = {}
    for answer in walk(parts):
        for kind, things in resolve_choice(world, channel, answer["type"], answer.get("values") or []).items():
            resolved.setdefault(kind, {}).update(things)
    return resolved
