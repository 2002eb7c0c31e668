"""Users and direct messages (docs: resources/user.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.payloads import channel_payload, own_user_payload, user_payload
from bot.playground.server.refusals import Refusal, unknown
from bot.playground.server.routing import Call, Reply, Routes
from bot.playground.server.world import Channel, ChannelType

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()


@routes.add("GET", "/users/@me")
async def get_me(site: "LocalDiscord", call: Call) -> Reply:
    return Reply(own_user_payload(site.world.users[site.world.app.id]))


@routes.add("GET", "/users/{user}")
async def get_user(site: "LocalDiscord", call: Call) -> Reply:
    user = site.world.users.get(call.id("user"))
    if user is None:
        raise unknown("User")
    return Reply(user_payload(user))


@routes.add("POST", "/users/@me/channels")
async def create_dm(site: "LocalDiscord", call: Call) -> Reply:
    """The direct message with a person, made where there is none ("Create DM")."""
    user = int(call.json.get("recipient_id") or 0)
    if user not in site.world.users or user == site.world.app.id:
        raise Refusal(400, 50033, "Invalid Recipient(s)")
    me = site.world.app.id
    channel = site.world.dm(me, user)
    if channel is None:
        channel = Channel(site.ids.next(), ChannelType.DM, recipients=(me, user))
        site.world.channels[channel.id] = channel
    return Reply(channel_payload(site.world, channel))
