"""The actions of people: commands, buttons, forms, reactions, messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.playground.server.actions.command_registry import CommandRegistry
from bot.playground.server.actions.interactions import Interaction, Interactions, InteractionType
from bot.playground.server.actions.posting import Posting
from bot.playground.server.actions.state import SiteState
from bot.playground.server.validation.command_access import refusal_reason
from bot.playground.server.validation.command_options import FilledOptions, fill
from bot.playground.server.validation.commands import CHAT_INPUT, MESSAGE, USER
from bot.playground.server.validation.components import SELECTS, find
from bot.playground.server.validation.emoji import emoji_key, same_emoji
from bot.playground.server.validation.limits import CONTENT, file_limit
from bot.playground.server.validation.modals import submitted, wrong_answers
from bot.playground.server.validation.select_values import (
    UnknownEntityError,
    add_user,
    resolve_choice,
    resolve_fields,
    wrong_choice,
)
from bot.playground.server.world.entities import Channel, World
from bot.playground.server.world.files import StoredFile, detect_type, safe_name
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.mentions import found
from bot.playground.server.world.messages import Message
from bot.playground.server.world.permissions import Permission, permissions


class NotPossibleError(Exception):
    """Discord's client would not offer this; the text says why."""


@dataclass(frozen=True)
class AttachedFile:
    """A file that a person attaches."""

    filename: str
    data: bytes


def can_see(world: World, channel: Channel, user: int) -> bool:
    """Whether *user* has VIEW_CHANNEL there."""
    return bool(permissions(world, channel, user) & Permission.VIEW_CHANNEL)


class People:
    """Acts for any person, by id. Checks each action as Discord's client would; raises NotPossibleError."""

    def __init__(
        self, state: SiteState, posting: Posting, commands: CommandRegistry, interactions: Interactions
    ) -> None:
        self._state = state
        self._posting = posting
        self._commands = commands
        self._interactions = interactions

    def slash(
        self,
        user: int,
        channel_id: int,
        command: str,
        options: Mapping[str, Any] | None = None,
        files: Mapping[str, AttachedFile] | None = None,
        *,
        nonce: str = "",
    ) -> Interaction:
        """Use a slash command; *command* is the full name ("gallery show"), *files* go to attachment options."""
        channel = self._commandable(user, channel_id)
        registered = self._command(user, channel, command)
        kept = {name: self._keep(channel, file) for name, file in (files or {}).items()}
        filled = fill(
            self._state.world, channel, registered, command, {**(options or {}), **{n: f.id for n, f in kept.items()}}
        )
        self._refuse(filled.wrong)
        data = self._command_data(registered, filled, channel)
        if kept:
            data.setdefault("resolved", {})["attachments"] = {
                str(f.id): self._state.files.payload(f) for f in kept.values()
            }
        return self._interactions.start(InteractionType.COMMAND, user, channel, data, nonce=nonce)

    def autocomplete(
        self, user: int, channel_id: int, command: str, options: Mapping[str, Any], focused: str, *, nonce: str = ""
    ) -> Interaction:
        """Ask for suggestions for the option *focused*; *options* are the values so far."""
        channel = self._commandable(user, channel_id)
        registered = self._command(user, channel, command)
        filled = fill(self._state.world, channel, registered, command, {focused: "", **options}, focused=focused)
        self._refuse(filled.wrong)
        data = self._command_data(registered, filled, channel)
        return self._interactions.start(InteractionType.AUTOCOMPLETE, user, channel, data, nonce=nonce)

    def on_message(self, user: int, message: Message, command: str, *, nonce: str = "") -> Interaction:
        """Use a command from a message's context menu."""
        channel = self._commandable(user, message.channel_id)
        registered = self._command(user, channel, command, MESSAGE)
        shown = self._state.show(message, self._state.world.app.id)
        data = self._command_data(registered, FilledOptions(), channel)
        data |= {"target_id": str(message.id), "resolved": {"messages": {str(message.id): shown}}}
        return self._interactions.start(InteractionType.COMMAND, user, channel, data, nonce=nonce)

    def on_user(self, user: int, channel_id: int, target: int, command: str, *, nonce: str = "") -> Interaction:
        """Use a command from a person's context menu."""
        channel = self._commandable(user, channel_id)
        registered = self._command(user, channel, command, USER)
        data = self._command_data(registered, FilledOptions(), channel)
        resolved: Json = {}
        try:
            add_user(self._state.world, channel, str(target), resolved)
        except UnknownEntityError as error:
            raise NotPossibleError(str(error)) from error
        data |= {"target_id": str(target), "resolved": resolved}
        return self._interactions.start(InteractionType.COMMAND, user, channel, data, nonce=nonce)

    def click(
        self, user: int, message: Message, custom_id: str, values: list[str] | None = None, *, nonce: str = ""
    ) -> Interaction:
        """Press a button or choose from a menu."""
        channel = self._visible(user, message.channel_id)
        component = find(message.components, custom_id)
        if component is None or message.visible_to not in (None, user):
            raise NotPossibleError(f"the message shows no component {custom_id!r}")
        if component.get("disabled"):
            raise NotPossibleError(f"the component {custom_id!r} is disabled")
        data: Json = {"component_type": component["type"], "custom_id": custom_id, "id": component["id"]}
        if component["type"] in SELECTS:
            self._refuse([wrong for wrong in [wrong_choice(component, values or [])] if wrong])
            data["values"] = values or []
            resolved = resolve_choice(self._state.world, channel, component["type"], values or [])
            data |= {"resolved": resolved} if resolved else {}
        return self._interactions.start(InteractionType.COMPONENT, user, channel, data, source=message, nonce=nonce)

    def submit(self, user: int, opened_by: Interaction, values: Mapping[str, Any], *, nonce: str = "") -> Interaction:
        """Submit the modal of *opened_by*; an `AttachedFile` goes into a file upload."""
        modal = opened_by.outcome.result().modal if opened_by.outcome.done() else None
        if modal is None or opened_by.user_id != user:
            raise NotPossibleError("this form is not open")
        channel = self._state.world.channels[opened_by.channel_id]
        kept = {name: self._keep(channel, value) for name, value in values.items() if isinstance(value, AttachedFile)}
        given = {**values, **{name: [str(file.id)] for name, file in kept.items()}}
        self._refuse(wrong_answers(modal, given))
        data: Json = {"custom_id": modal["custom_id"], "components": submitted(modal, given)}
        resolved = resolve_fields(self._state.world, channel, data["components"])
        if kept:
            resolved["attachments"] = {str(file.id): self._state.files.payload(file) for file in kept.values()}
        data |= {"resolved": resolved} if resolved else {}
        start = self._interactions.start
        return start(InteractionType.MODAL, user, channel, data, source=opened_by.source, parent=opened_by, nonce=nonce)

    def react(self, user: int, message: Message, emoji: str) -> None:
        channel = self._visible(user, message.channel_id)
        if message.ephemeral:
            raise NotPossibleError("an ephemeral message takes no reactions")
        key = same_emoji(list(message.reactions), emoji_key(emoji))
        if key not in message.reactions:
            self._need(user, channel, Permission.ADD_REACTIONS, "add reactions")
        self._posting.react(message, key, user)

    def unreact(self, user: int, message: Message, emoji: str) -> None:
        self._visible(user, message.channel_id)
        self._posting.unreact(message, same_emoji(list(message.reactions), emoji_key(emoji)), user)

    def say(
        self,
        user: int,
        channel_id: int,
        content: str,
        files: list[AttachedFile] | None = None,
        *,
        reply_to: int | None = None,
    ) -> Message:
        """Write a message."""
        channel = self._visible(user, channel_id)
        self._need(
            user,
            channel,
            Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES,
            "write",
        )
        if not content.strip() and not files:
            raise NotPossibleError("an empty message cannot be sent")
        if len(content) > CONTENT:
            raise NotPossibleError(f"a message has at most {CONTENT} characters, not {len(content)}")
        kept = [self._keep(channel, file, ephemeral=False) for file in files or []]
        now = self._state.clock.now()
        message = Message(
            self._state.ids.next(), channel.id, channel.guild_id, user, now, content=content.strip(), files=kept
        )
        message.mentions = found(self._state.world, channel, user, content, None)
        if reply_to is not None:
            message.type, message.reference = 19, reply_to
        return self._posting.post(message)

    def delete(self, user: int, message: Message) -> None:
        """Delete a message; those of others need MANAGE_MESSAGES. An ephemeral one is only dismissed."""
        channel = self._visible(user, message.channel_id)
        if message.author_id != user and not message.ephemeral:
            self._need(user, channel, Permission.MANAGE_MESSAGES, "delete messages of others")
        self._posting.delete(message)

    def _visible(self, user: int, channel_id: int) -> Channel:
        channel = self._state.world.channels.get(channel_id)
        if channel is None or not can_see(self._state.world, channel, user):
            raise NotPossibleError("you cannot see this channel")
        return channel

    def _commandable(self, user: int, channel_id: int) -> Channel:
        channel = self._visible(user, channel_id)
        self._need(user, channel, Permission.USE_APPLICATION_COMMANDS, "use commands")
        return channel

    def _need(self, user: int, channel: Channel, needed: Permission, what: str) -> None:
        if not permissions(self._state.world, channel, user) & needed:
            raise NotPossibleError(f"you do not have permission to {what} here")

    def _command(self, user: int, channel: Channel, name: str, kind: int = CHAT_INPUT) -> Json:
        wanted = name.split(" ")[0] if kind == CHAT_INPUT else name
        usable = self._commands.usable(channel.guild_id)
        found_ = next((c for c in usable if c["name"] == wanted and c["type"] == kind), None)
        if found_ is None:
            raise NotPossibleError(f"there is no command /{name}; registered: {_listed(usable)}")
        self._refuse([reason for reason in [refusal_reason(self._state.world, channel, user, found_)] if reason])
        return found_

    def _command_data(self, registered: Json, filled: FilledOptions, channel: Channel) -> Json:
        data: Json = {"id": registered["id"], "name": registered["name"], "type": registered["type"]}
        if filled.options:
            data["options"] = filled.options
        if filled.resolved:
            data["resolved"] = filled.resolved
        return {**data, "guild_id": registered["guild_id"]} if "guild_id" in registered else data

    def _keep(self, channel: Channel, file: AttachedFile, *, ephemeral: bool = True) -> StoredFile:
        """Store *file*; files of commands are ephemeral attachments."""
        limit = file_limit(self._state.world.guild_of(channel))
        if len(file.data) > limit:
            raise NotPossibleError(f"{file.filename} is too large: {len(file.data)} of {limit} bytes")
        name = safe_name(file.filename)
        kind, size = detect_type(file.data, name)
        folder = self._state.world.app.id if ephemeral else channel.id
        return self._state.files.keep(
            StoredFile(self._state.ids.next(), folder, name, file.data, kind, ephemeral, None, size)
        )

    @staticmethod
    def _refuse(wrong: list[str]) -> None:
        if wrong:
            raise NotPossibleError("; ".join(wrong))


def _listed(commands: list[Json]) -> str:
    return ", ".join(sorted(f"/{command['name']}" for command in commands)) or "none"
