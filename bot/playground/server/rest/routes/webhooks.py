"""An interaction's webhook: follow-ups and edits by its token (docs: resources/webhook.mdx, "Execute Webhook")."""

from bot.playground.server.actions.interactions import Interaction
from bot.playground.server.rest.access import check_editable
from bot.playground.server.rest.routing import NO_CONTENT, Call, Reply, Routes
from bot.playground.server.validation.errors import unknown
from bot.playground.server.world.messages import Message

routes = Routes()


@routes.add("POST", "/webhooks/{app}/{token}", by_token=True)
async def create_followup(call: Call) -> Reply:
    """Returns the message without `wait=true` too (receiving-and-responding.mdx, "Create Followup Message")."""
    return _shown(call, call.site.callbacks.follow_up(_interaction(call), call.message_body))


@routes.add("GET", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def get_original(call: Call) -> Reply:
    return _shown(call, _target(call))


@routes.add("PATCH", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def edit_original(call: Call) -> Reply:
    return _edited(call)


@routes.add("DELETE", "/webhooks/{app}/{token}/messages/@original", by_token=True)
async def delete_original(call: Call) -> Reply:
    return _deleted(call)


@routes.add("GET", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def get_followup(call: Call) -> Reply:
    return _shown(call, _target(call))


@routes.add("PATCH", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def edit_followup(call: Call) -> Reply:
    return _edited(call)


@routes.add("DELETE", "/webhooks/{app}/{token}/messages/{message}", by_token=True)
async def delete_followup(call: Call) -> Reply:
    return _deleted(call)


def _interaction(call: Call) -> Interaction:
    return call.site.interactions.by_token(call.id("app"), call.params["token"])


def _target(call: Call) -> Message:
    message = call.site.callbacks.find(_interaction(call), call.params.get("message", "@original"))
    if message.channel_id not in call.site.world.channels:  # deleting a channel deletes its messages
        raise unknown("Channel")
    return message


def _edited(call: Call) -> Reply:
    message = _target(call)
    check_editable(call.site, call.site.world.channels[message.channel_id])
    return _shown(call, call.site.callbacks.edit(message, call.message_body))


def _deleted(call: Call) -> Reply:
    call.site.posting.delete(_target(call))
    return NO_CONTENT


def _shown(call: Call, message: Message) -> Reply:
    return Reply(call.site.show(message, call.site.world.app.id))
