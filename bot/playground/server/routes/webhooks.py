"""An interaction's webhook: follow-ups and edits by its token (docs: resources/webhook.mdx, "Execute Webhook")."""

from typing import TYPE_CHECKING

from bot.playground.server.access import check_editable
from bot.playground.server.answers import edit_own, follow_up, own_message
from bot.playground.server.messages import Message
from bot.playground.server.refusals import unknown
from bot.playground.server.routing import NO_CONTENT, Call, Reply, Routes

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

routes = Routes()


@routes.add("POST", "/webhooks/{app}/{token}", by_token=True)
async def create_followup(site: "LocalDiscord", call: Call) -> Reply:
    interaction = site.interactions.by_token(call.id("app"), call.params["token"])
    message = follow_up(site, interaction, call)
    # An interaction's webhook always waits (receiving-and-responding.mdx, "Create Followup Message").
    return _shown(site, message)


@routes.add("GET", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def get_original(site: "LocalDiscord", call: Call) -> Reply:
    return _shown(site, _target(site, call))


@routes.add("PATCH", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def edit_original(site: "LocalDiscord", call: Call) -> Reply:
    return _edited(site, call)


@routes.add("DELETE", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def delete_original(site: "LocalDiscord", call: Call) -> Reply:
    return _deleted(site, call)


@routes.add("GET", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def get_followup(site: "LocalDiscord", call: Call) -> Reply:
    return _shown(site, _target(site, call))


@routes.add("PATCH", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def edit_followup(site: "LocalDiscord", call: Call) -> Reply:
    return _edited(site, call)


@routes.add("DELETE", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def delete_followup(site: "LocalDiscord", call: Call) -> Reply:
    return _deleted(site, call)


def _target(site: "LocalDiscord", call: Call) -> Message:
    interaction = site.interactions.by_token(call.id("app"), call.params["token"])
    message = own_message(site, interaction, call.params.get("message", "@original"))
    if message.channel_id not in site.world.channels:  # a deleted channel took its messages along
        raise unknown("Channel")
    return message


def _edited(site: "LocalDiscord", call: Call) -> Reply:
    interaction = site.interactions.by_token(call.id("app"), call.params["token"])
    message = _target(site, call)
    check_editable(site, site.world.channels[message.channel_id])
    return _shown(site, edit_own(site, interaction, message, call))


def _deleted(site: "LocalDiscord", call: Call) -> Reply:
    site.posting.delete(_target(site, call))
    return NO_CONTENT


def _shown(site: "LocalDiscord", message: Message) -> Reply:
    return Reply(site.show(message, site.world.app.id))
