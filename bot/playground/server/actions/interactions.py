"""Interactions of people with the bot (docs: interactions/receiving-and-responding.mdx)."""

import asyncio
import secrets
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.server.actions.state import SiteState
from bot.playground.server.validation.command_access import context_of
from bot.playground.server.validation.commands import MESSAGE
from bot.playground.server.validation.errors import already_acknowledged, expired_token, unknown
from bot.playground.server.validation.limits import file_limit
from bot.playground.server.world.entities import Channel, ChannelType
from bot.playground.server.world.events import Event, fixed
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message
from bot.playground.server.world.payloads import FEATURES, LOCALE, channel_payload, interaction_member, user_payload
from bot.playground.server.world.permissions import app_permissions

ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
"""Both: the box "Interaction tokens are valid for 15 minutes" in "Responding to an Interaction"."""
USER_INSTALL_FOLLOWUPS = 5


class InteractionType(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Callback(IntEnum):
    """docs: "Interaction Callback Type"."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(frozen=True)
class Outcome:
    """The response to an interaction; `failed` is the client's sentence without one."""

    callback: Callback | None = None
    failed: str = ""
    modal: Json | None = None
    choices: tuple[Json, ...] = ()


@dataclass
class Interaction:
    """One interaction and its responses."""

    id: int
    token: str = field(repr=False)
    type: InteractionType
    user_id: int
    channel_id: int
    guild_id: int | None
    data: Json
    born: float
    outcome: "asyncio.Future[Outcome]" = field(repr=False)
    source: Message | None = None
    """The message of the component, also for a modal that the component opened."""
    parent: Json | None = None
    """The metadata of the interaction that opened this modal."""
    nonce: str = ""
    owners: Json = field(default_factory=dict)
    callback: Callback | None = None
    original: Message | None = None
    mine: dict[int, Message] = field(default_factory=dict)
    """All messages that this token created."""
    followups: int = 0
    over: bool = False
    """The bot did not respond in time, so the token is invalid."""

    @property
    def target(self) -> int | None:
        """The message that a message command was used on."""
        return int(self.data["target_id"]) if self.data.get("type") == MESSAGE else None

    @property
    def command_name(self) -> str:
        """The full name with group and subcommand."""
        names = [self.data.get("name", "")]
        options = self.data.get("options") or []
        while options and options[0]["type"] in (1, 2):
            names.append(options[0]["name"])
            options = options[0].get("options") or []
        return " ".join(names)


class Interactions:
    """All interactions, by id and by token."""

    def __init__(self, state: SiteState) -> None:
        self._state = state
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}
        self.answer_seconds = ANSWER_SECONDS
        self.token_seconds = TOKEN_SECONDS

    def start(
        self,
        kind: InteractionType,
        user_id: int,
        channel: Channel,
        data: Json,
        *,
        source: Message | None = None,
        parent: Interaction | None = None,
        nonce: str = "",
    ) -> Interaction:
        """Publish an interaction to the bot. `outcome` is set by the response or after `answer_seconds`."""
        now = self._state.clock.now()
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        token = secrets.token_urlsafe(48)
        interaction = Interaction(
            self._state.ids.next(), token, kind, user_id, channel.id, channel.guild_id, data, now, outcome, source
        )
        interaction.nonce = nonce
        interaction.owners = self._owners(user_id, channel)
        interaction.parent = self.metadata(parent) if parent else None
        self._by_id[interaction.id] = self._by_token[token] = interaction
        me = self._state.world.app.id
        event = Event("INTERACTION_CREATE", fixed(self.payload(interaction)), channel.guild_id, channel.id, only_for=me)
        self._state.hub.publish(event)
        self._state.clock.call_at(now + self.answer_seconds, lambda: self._too_late(interaction))
        return interaction

    def to_answer(self, interaction_id: int, token: str) -> Interaction:
        """The interaction of a callback; raises ApiError 10062 if unknown or late, 40060 if already answered."""
        found = self._by_id.get(interaction_id)
        if found is None or found.over or self._by_token.get(token) is not found:
            raise unknown("interaction")
        if found.callback is not None:
            raise already_acknowledged()
        return found

    def by_token(self, app_id: int, token: str) -> Interaction:
        """The interaction of a webhook; raises ApiError 10015 before the first response, 50027 after 15 minutes."""
        found = self._by_token.get(token)
        if found is None or app_id != self._state.world.app.id or found.over or found.callback is None:
            raise unknown("Webhook")
        if self._state.clock.now() > found.born + self.token_seconds:
            raise expired_token()
        return found

    def settle(self, interaction: Interaction, outcome: Outcome) -> None:
        """Store the outcome and publish it to the acting person."""
        interaction.callback = outcome.callback
        if not interaction.outcome.done():
            interaction.outcome.set_result(outcome)
        base: Json = {"id": str(interaction.id), "nonce": interaction.nonce}
        if outcome.failed:
            self._tell(interaction, "INTERACTION_FAILURE", {**base, "reason": outcome.failed})
            return
        if outcome.modal is not None:
            self._tell(
                interaction,
                "INTERACTION_MODAL_CREATE",
                {**base, **outcome.modal, "channel_id": str(interaction.channel_id)},
            )
        if outcome.callback is Callback.CHOICES:
            self._tell(
                interaction, "APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE", {**base, "choices": list(outcome.choices)}
            )
        else:
            self._tell(interaction, "INTERACTION_SUCCESS", base)

    def expire(self) -> None:
        """End the life of all tokens now, as if fifteen minutes had passed."""
        for interaction in self._by_id.values():
            interaction.born -= self.token_seconds

    def get(self, interaction_id: int) -> Interaction | None:
        return self._by_id.get(interaction_id)

    def metadata(self, interaction: Interaction) -> Json:
        """docs: resources/message.mdx, "Message Interaction Metadata Object"."""
        metadata: Json = {
            "id": str(interaction.id),
            "type": int(interaction.type),
            "user": user_payload(self._state.world.users[interaction.user_id]),
            "authorizing_integration_owners": interaction.owners,
        }
        if interaction.type is InteractionType.COMMAND:
            metadata |= {"name": interaction.command_name, "command_type": interaction.data["type"]}
            if interaction.target is not None:
                metadata["target_message_id"] = str(interaction.target)
        if interaction.type is InteractionType.COMPONENT and interaction.source:
            metadata["interacted_message_id"] = str(interaction.source.id)
        if interaction.parent is not None:
            metadata["triggering_interaction_metadata"] = interaction.parent
        return metadata

    def payload(self, interaction: Interaction) -> Json:
        """INTERACTION_CREATE (docs: "Interaction Structure")."""
        world = self._state.world
        channel = world.channels[interaction.channel_id]
        guild = world.guild_of(channel)
        payload: Json = {
            "id": str(interaction.id),
            "application_id": str(world.app.id),
            "type": int(interaction.type),
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": str(channel.id),
            "channel": channel_payload(world, channel),
            "app_permissions": str(app_permissions(world, channel, world.app.id)),
            "locale": LOCALE,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": interaction.owners,
            "context": context_of(world, channel),
            "attachment_size_limit": file_limit(guild),
        }
        if guild is not None:
            payload["guild_id"] = str(guild.id)
            payload["guild"] = {"id": str(guild.id), "locale": LOCALE, "features": FEATURES}
            payload["guild_locale"] = LOCALE
            payload["member"] = interaction_member(world, channel, guild.members[interaction.user_id])
        else:
            payload["user"] = user_payload(world.users[interaction.user_id])
        if interaction.source is not None:
            payload["message"] = self._state.show(interaction.source, world.app.id)
        return payload

    def _owners(self, user_id: int, channel: Channel) -> Json:
        """docs: "Authorizing Integration Owners Object"."""
        world = self._state.world
        owners: Json = {}
        if channel.guild_id is not None and world.app.id in world.guilds[channel.guild_id].members:
            owners["0"] = str(channel.guild_id)
        elif channel.type is ChannelType.DM and world.app.id in channel.recipients:
            owners["0"] = "0"
        if user_id in world.app.user_installs:
            owners["1"] = str(user_id)
        return owners

    def _too_late(self, interaction: Interaction) -> None:
        if interaction.callback is None:
            interaction.over = True
            self.settle(interaction, Outcome(failed="The application did not respond"))

    def _tell(self, interaction: Interaction, name: str, data: Json) -> None:
        event = Event(name, fixed(data), interaction.guild_id, interaction.channel_id, only_for=interaction.user_id)
        self._state.hub.publish(event)
