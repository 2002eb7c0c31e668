"""Users and direct messages (docs: resources/user.mdx)."""

from bot.playground.server.rest.routing import Call, Reply, Routes
from bot.playground.server.validation.errors import ApiError, unknown
from bot.playground.server.world.entities import Channel, ChannelType
from bot.playground.server.world.payloads import channel_payload, own_user_payload, user_payload

routes = Routes()


@routes.add("GET", "/users/@me")
async def get_me(call: Call) -> Reply:
    return Reply(own_user_payload(call.site.world.users[call.site.world.app.id]))


@routes.add("GET", "/users/{user}")
async def get_user(call: Call) -> Reply:
    user = call.site.world.users.get(call.id("user"))
    if user is None:
        raise unknown("User")
    return Reply(user_payload(user))


@routes.add("POST", "/users/@me/channels")
async def create_dm(call: Call) -> Reply:
    """The DM channel with a user, created if missing ("Create DM")."""
    user = int(call.json.get("recipient_id") or 0)
    if user not in call.site.world.users or user == call.site.world.app.id:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    me = call.site.world.app.id
    channel = call.site.world.dm(me, user)
    if channel is None:
        channel = Channel(call.site.ids.next(), ChannelType.DM, recipients=(me, user))
        call.site.world.channels[channel.id] = channel
    return Reply(channel_payload(call.site.world, channel))
