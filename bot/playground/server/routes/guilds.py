"""Guilds, their channels, members and roles, to read (docs: resources/guild.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.access import guild_of
from bot.playground.server.payloads import channel_payload, guild_payload, member_payload, role_payload
from bot.playground.server.refusals import unknown
from bot.playground.server.routing import Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()


@routes.add("GET", "/guilds/{guild}")
async def get_guild(site: "LocalDiscord", call: Call) -> Reply:
    return Reply(guild_payload(site.world, guild_of(site, call)))


@routes.add("GET", "/guilds/{guild}/channels")
async def list_channels(site: "LocalDiscord", call: Call) -> Reply:
    guild = guild_of(site, call)
    return Reply([channel_payload(site.world, channel) for channel in site.world.channels_of(guild)])


@routes.add("GET", "/guilds/{guild}/members/{user}")
async def get_member(site: "LocalDiscord", call: Call) -> Reply:
    member = guild_of(site, call).members.get(call.id("user"))
    if member is None:
        raise unknown("Member")
    return Reply(member_payload(site.world, member))


@routes.add("GET", "/guilds/{guild}/roles")
async def list_roles(site: "LocalDiscord", call: Call) -> Reply:
    return Reply([role_payload(role) for role in guild_of(site, call).roles.values()])
