"""Guilds, their channels, members and roles, to read (docs: resources/guild.mdx)."""

from bot.playground.server.rest.access import guild_of
from bot.playground.server.rest.routing import Call, Reply, Routes
from bot.playground.server.validation.errors import unknown
from bot.playground.server.world.payloads import channel_payload, guild_payload, member_payload, role_payload

routes = Routes()


@routes.add("GET", "/guilds/{guild}")
async def get_guild(call: Call) -> Reply:
    return Reply(guild_payload(call.site.world, guild_of(call)))


@routes.add("GET", "/guilds/{guild}/channels")
async def list_channels(call: Call) -> Reply:
    guild = guild_of(call)
    return Reply([channel_payload(call.site.world, channel) for channel in call.site.world.channels_of(guild)])


@routes.add("GET", "/guilds/{guild}/members/{user}")
async def get_member(call: Call) -> Reply:
    member = guild_of(call).members.get(call.id("user"))
    if member is None:
        raise unknown("Member")
    return Reply(member_payload(call.site.world, member))


@routes.add("GET", "/guilds/{guild}/roles")
async def list_roles(call: Call) -> Reply:
    return Reply([role_payload(role) for role in guild_of(call).roles.values()])
