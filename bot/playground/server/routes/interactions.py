"""POST /interactions/{id}/{token}/callback (docs: interactions/receiving-and-responding.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.answers import answer
from bot.playground.server.interactions import Callback, Interaction
from bot.playground.server.json_types import Json
from bot.playground.server.messages import Message
from bot.playground.server.routing import NO_CONTENT, Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()


@routes.add("POST", "/interactions/{interaction}/{token}/callback", by_token=True)
async def create_response(site: "LocalDiscord", call: Call) -> Reply:
    interaction = site.interactions.to_answer(call.id("interaction"), call.params["token"])
    message = answer(site, interaction, call)
    if call.query.get("with_response", "").lower() not in ("1", "true"):
        return NO_CONTENT
    return Reply(_response(site, interaction, message))


def _response(site: "LocalDiscord", interaction: Interaction, message: Message | None) -> Json:
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
