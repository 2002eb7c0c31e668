"""POST /interactions/{id}/{token}/callback (docs: interactions/receiving-and-responding.mdx)."""

from bot.playground.server.actions.interactions import Callback, Interaction
from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.rest.site import Site
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message

routes = Routes()


@routes.add("POST", "/interactions/{interaction}/{token}/callback", by_token=True)
async def create_response(call: Call) -> Reply:
    interaction = call.site.interactions.to_answer(call.id("interaction"), call.params["token"])
    message = call.site.callbacks.answer(interaction, call.message_body)
    if call.query.get("with_response", "").lower() not in ("1", "true"):
        return NO_CONTENT
    return Reply(_response(call.site, interaction, message))


def _response(site: Site, interaction: Interaction, message: Message | None) -> Json:
    """docs: "Interaction Callback Response Object"; by the schema only types 4 and 7 have a resource."""
    about: Json = {"id": str(interaction.id), "type": int(interaction.type), "channel_id": str(interaction.channel_id)}
    if interaction.guild_id:
        about["guild_id"] = str(interaction.guild_id)
    if message is not None:
        about |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.loading,
            "response_message_ephemeral": message.ephemeral,
        }
    if message is None or interaction.callback not in (Callback.MESSAGE, Callback.UPDATE):
        return {"interaction": about}
    shown = site.show(message, site.world.app.id)
    return {"interaction": about, "resource": {"type": int(interaction.callback), "message": shown}}
