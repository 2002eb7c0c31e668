"""Interaction responses of the bot (docs: interactions/receiving-and-responding.mdx)."""

from dataclasses import dataclass

from bot.playground.server.actions.interactions import (
    USER_INSTALL_FOLLOWUPS,
    Callback,
    Interaction,
    Interactions,
    InteractionType,
    Outcome,
)
from bot.playground.server.actions.message_body import Body, edit_message, new_message
from bot.playground.server.actions.posting import Posting
from bot.playground.server.actions.state import SiteState
from bot.playground.server.validation.commands import check_choices
from bot.playground.server.validation.errors import ApiError, FormErrors, unknown
from bot.playground.server.validation.modals import checked_modal
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import CONTEXT_MENU, EPHEMERAL, LOADING, NORMAL, REPLY, SLASH, Message
from bot.playground.server.world.permissions import Permission, permissions

_ALLOWED = {
    InteractionType.COMMAND: {4, 5, 9},
    InteractionType.COMPONENT: {4, 5, 6, 7, 9},
    InteractionType.AUTOCOMPLETE: {8},
    InteractionType.MODAL: {4, 5, 6, 7},
}
"""The notes under "Interaction Callback Type"."""


@dataclass
class Callbacks:
    """Carries out callbacks and the requests to an interaction's webhook."""

    state: SiteState
    posting: Posting
    interactions: Interactions

    def answer(self, interaction: Interaction, body: Body) -> Message | None:
        """Carry out a callback; returns the message that it created or changed, None for a modal and for choices."""
        kind = _kind(interaction, body.fields)
        data = body.part("data")
        if kind is Callback.MODAL:
            self.interactions.settle(interaction, Outcome(kind, modal=checked_modal(data.fields)))
            return None
        if kind is Callback.CHOICES:
            self.interactions.settle(interaction, Outcome(kind, choices=_choices(data.fields)))
            return None
        interaction.original = self._message(interaction, kind, data)
        self.interactions.settle(interaction, Outcome(kind))
        return interaction.original

    def follow_up(self, interaction: Interaction, body: Body) -> Message:
        """POST on the interaction's webhook.

        The first one after a deferral fills in the deferred message and ignores the ephemeral flag
        ("Create Followup Message").
        """
        deferred = interaction.original
        if deferred is not None and deferred.loading:
            return self.edit(deferred, body)
        _count_followup(interaction)
        channel = self.state.world.channels[interaction.channel_id]
        return self._post(interaction, new_message(self.state, channel, body, interaction=True), first=False)

    def find(self, interaction: Interaction, message_id: str) -> Message:
        """Returns @original or a message that this token created; raises ApiError 10008 for any other."""
        found = interaction.original if message_id == "@original" else interaction.mine.get(int(message_id))
        if found is None and interaction.source and message_id == str(interaction.source.id):
            found = interaction.source
        if found is None or self.state.messages.get(found.channel_id, found.id) is not found:
            raise unknown("Message")
        return found

    def edit(self, message: Message, body: Body) -> Message:
        """PATCH through the token. Filling in a deferred message does not count as an edit."""
        deferred = message.loading
        edit_message(self.state, message, body, interaction=True)
        self.posting.changed(message, edited=not deferred)
        return message

    def _message(self, interaction: Interaction, kind: Callback, data: Body) -> Message:
        if kind is Callback.DEFERRED_UPDATE or kind is Callback.UPDATE:
            if interaction.source is None:
                raise unknown("Message")
            if kind is Callback.UPDATE:
                edit_message(self.state, interaction.source, data, interaction=True)
                self.posting.changed(interaction.source)
            return interaction.source
        state, channel = self.state, self.state.world.channels[interaction.channel_id]
        if kind is Callback.MESSAGE:
            return self._post(interaction, new_message(state, channel, data, interaction=True), first=True)
        # Only EPHEMERAL counts here ("Interaction Callback Data Structure", note on flags).
        flags = LOADING | (int(data.fields.get("flags") or 0) & EPHEMERAL)
        author, now = state.world.app.id, state.clock.now()
        message = Message(state.ids.next(), channel.id, channel.guild_id, author, now, flags=flags)
        return self._post(interaction, message, first=True)

    def _post(self, interaction: Interaction, message: Message, *, first: bool) -> Message:
        """Mark *message* as a response to *interaction* and post it; *first* for the callback's own message."""
        message.by_webhook = True
        message.metadata = self.interactions.metadata(interaction)
        if self._must_be_ephemeral(interaction):
            message.flags |= EPHEMERAL
        if message.flags & EPHEMERAL:
            message.visible_to = interaction.user_id
        message.type = _type(interaction, first=first)
        if first and interaction.type is InteractionType.COMMAND:
            message.command = interaction.command_name
            message.reference = interaction.target  # docs: resources/message.mdx, `target_message_id`
        if message.type == REPLY:
            replied_to = interaction.source if first and interaction.source else interaction.original
            message.reference = replied_to.id if replied_to else None
        if not first and interaction.original:
            message.metadata["original_response_message_id"] = str(interaction.original.id)
        interaction.mine[message.id] = message
        return self.posting.post(message)

    def _must_be_ephemeral(self, interaction: Interaction) -> bool:
        """True in a server without the app for a member who lacks USE_EXTERNAL_APPS (topics/permissions.mdx)."""
        if interaction.guild_id is None or "0" in interaction.owners:
            return False
        channel = self.state.world.channels[interaction.channel_id]
        return not permissions(self.state.world, channel, interaction.user_id) & Permission.USE_EXTERNAL_APPS


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


def _type(interaction: Interaction, *, first: bool) -> int:
    """The message type of a response; see assumptions.md for components and follow-ups."""
    if not first:
        return REPLY
    if interaction.type is InteractionType.COMMAND:
        return SLASH if interaction.data["type"] == 1 else CONTEXT_MENU
    return REPLY if interaction.source is not None else NORMAL


def _count_followup(interaction: Interaction) -> None:
    """A user installation outside the app's servers gets five ("Followup Messages"); raises ApiError 40094."""
    interaction.followups += 1
    if "0" not in interaction.owners and interaction.followups > USER_INSTALL_FOLLOWUPS:
        raise ApiError(400, 40094, "Maximum number of follow up messages reached for this interaction")
