"""What a bot's answer to an interaction does to messages (docs: interactions/receiving-and-responding.mdx)."""

from typing import TYPE_CHECKING

from bot.playground.server.commands import check_choices
from bot.playground.server.compose import edit_message, new_message, unknown_fields
from bot.playground.server.interactions import USER_INSTALL_FOLLOWUPS, Callback, Interaction, InteractionType, Outcome
from bot.playground.server.json_types import Json
from bot.playground.server.messages import CONTEXT_MENU, EPHEMERAL, LOADING, NORMAL, REPLY, SLASH, Message
from bot.playground.server.modals import checked_modal
from bot.playground.server.permissions import Permission, permissions
from bot.playground.server.refusals import FormErrors, Refusal, unknown
from bot.playground.server.routing import Call

if TYPE_CHECKING:
    from bot.playground.server.local import LocalDiscord

_ALLOWED = {
    InteractionType.COMMAND: {4, 5, 9},
    InteractionType.COMPONENT: {4, 5, 6, 7, 9},
    InteractionType.AUTOCOMPLETE: {8},
    InteractionType.MODAL: {4, 5, 6, 7},
}
"""The notes under "Interaction Callback Type"."""


def answer(site: "LocalDiscord", interaction: Interaction, call: Call) -> Message | None:
    """Carry out a callback; gives the message that it made or changed."""
    kind = _kind(interaction, call.json)
    data = call.json.get("data") or {}
    if kind in (Callback.MESSAGE, Callback.UPDATE):
        call.findings += unknown_fields(data)
    if kind is Callback.MODAL:
        site.interactions.settle(interaction, Outcome(kind, modal=checked_modal(data)))
        return None
    if kind is Callback.CHOICES:
        site.interactions.settle(interaction, Outcome(kind, choices=_choices(data)))
        return None
    message = _message(site, interaction, kind, data, call)
    interaction.original = message
    site.interactions.settle(interaction, Outcome(kind))
    return message


def _kind(interaction: Interaction, body: Json) -> Callback:
    given = int(body.get("type") or 0)
    allowed = _ALLOWED[interaction.type] - (
        {6, 7} if interaction.type is InteractionType.MODAL and not interaction.source else set()
    )
    if given not in allowed:
        errors = FormErrors()
        errors.add("type", "BASE_TYPE_CHOICES", f"Value must be one of {sorted(allowed)}.")
        errors.check()
    return Callback(given)


def _choices(data: Json) -> tuple[Json, ...]:
    errors = FormErrors()
    choices = data.get("choices") or []
    check_choices(choices, "data.choices", errors)
    errors.check()
    return tuple(choices)


def _message(site: "LocalDiscord", interaction: Interaction, kind: Callback, data: Json, call: Call) -> Message:
    if kind is Callback.DEFERRED_UPDATE or kind is Callback.UPDATE:
        if interaction.source is None:
            raise unknown("Message")
        if kind is Callback.UPDATE:
            edit_message(site, interaction.source, data, call.uploads, interaction=True)
            site.posting.changed(interaction.source)
        return interaction.source
    channel = site.world.channels[interaction.channel_id]
    if kind is Callback.DEFERRED_MESSAGE:
        # Only EPHEMERAL counts here ("Interaction Callback Data Structure", note on flags).
        flags = LOADING | (int(data.get("flags") or 0) & EPHEMERAL)
        message = Message(
            site.ids.next(), channel.id, channel.guild_id, site.world.app.id, site.clock.now(), flags=flags
        )
    else:
        message = new_message(site, channel, site.world.app.id, data, call.uploads, interaction=True)
    return _sign(site, interaction, message, first=True)


def _sign(site: "LocalDiscord", interaction: Interaction, message: Message, *, first: bool) -> Message:
    """Mark a message as this interaction's and post it."""
    message.by_webhook = True
    message.metadata = site.interactions.metadata(interaction)
    if _only_for_its_person(site, interaction):
        message.flags |= EPHEMERAL
    if message.flags & EPHEMERAL:
        message.visible_to = interaction.user_id
    message.type = _type(interaction, first=first)
    if first and interaction.type is InteractionType.COMMAND:
        message.command = interaction.command_name
    if message.type == REPLY:
        message.reference = (
            interaction.source.id
            if first and interaction.source
            else interaction.original.id
            if interaction.original
            else None
        )
    if not first and interaction.original:
        message.metadata["original_response_message_id"] = str(interaction.original.id)
    interaction.mine[message.id] = message
    return site.posting.post(message)


def _only_for_its_person(site: "LocalDiscord", interaction: Interaction) -> bool:
    """In a server without the app, a person who may not show their own apps there is answered alone
    (topics/permissions.mdx, USE_EXTERNAL_APPS)."""
    if interaction.guild_id is None or "0" in interaction.owners:
        return False
    channel = site.world.channels[interaction.channel_id]
    return not permissions(site.world, channel, interaction.user_id) & Permission.USE_EXTERNAL_APPS


def _type(interaction: Interaction, *, first: bool) -> int:
    """Message types of answers; those of components and follow-ups are guesses (guesses.md)."""
    if not first:
        return REPLY
    if interaction.type is InteractionType.COMMAND:
        return SLASH if interaction.data["type"] == 1 else CONTEXT_MENU
    return REPLY if interaction.source is not None else NORMAL


def follow_up(site: "LocalDiscord", interaction: Interaction, call: Call) -> Message:
    """POST on the interaction's webhook. After a deferral the first one fills the waiting message in
    ("Create Followup Message": its ephemeral flag is then ignored)."""
    call.findings += unknown_fields(call.json)
    waiting = interaction.original
    if waiting is not None and waiting.loading:
        return edit_own(site, interaction, waiting, call)
    _count_followup(interaction)
    channel = site.world.channels[interaction.channel_id]
    message = new_message(site, channel, site.world.app.id, call.json, call.uploads, interaction=True)
    return _sign(site, interaction, message, first=False)


def _count_followup(interaction: Interaction) -> None:
    """Five for a person's own installation outside of the app's servers ("Followup Messages")."""
    interaction.followups += 1
    if "0" not in interaction.owners and interaction.followups > USER_INSTALL_FOLLOWUPS:
        raise Refusal(400, 40094, "Maximum number of follow up messages reached for this interaction")


def own_message(site: "LocalDiscord", interaction: Interaction, message_id: str) -> Message:
    """@original, or a message made through this token."""
    found = interaction.original if message_id == "@original" else interaction.mine.get(int(message_id))
    if found is None and interaction.source and message_id == str(interaction.source.id):
        found = interaction.source
    if found is None or site.messages.get(found.channel_id, found.id) is not found:
        raise unknown("Message")
    return found


def edit_own(site: "LocalDiscord", interaction: Interaction, message: Message, call: Call) -> Message:
    """PATCH through the token. Filling in a waiting message does not count as an edit."""
    call.findings += unknown_fields(call.json)
    waited = message.loading
    edit_message(site, message, call.json, call.uploads, interaction=True)
    site.posting.changed(message, edited=not waited)
    return message
