"""Posts, changes and deletes messages and reactions, and publishes the events."""

from bot.playground.server.actions.message_payload import emoji_payload
from bot.playground.server.actions.state import SiteState
from bot.playground.server.world.entities import Channel
from bot.playground.server.world.events import Event, Intent, fixed
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message
from bot.playground.server.world.payloads import member_payload


class Posting:
    """The operations on messages; each publishes its event."""

    def __init__(self, state: SiteState) -> None:
        self._state = state

    def post(self, message: Message) -> Message:
        self._state.messages.add(message)
        self._tell("MESSAGE_CREATE", message)
        return message

    def changed(self, message: Message, *, edited: bool = True) -> None:
        if edited:
            message.edited_at = self._state.clock.now()
        self._tell("MESSAGE_UPDATE", message)

    def delete(self, message: Message) -> None:
        self._state.messages.remove(message)
        data: Json = {"id": str(message.id), "channel_id": str(message.channel_id)}
        if message.guild_id:
            data["guild_id"] = str(message.guild_id)
        intent = self._intent(message, Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES)
        self._publish("MESSAGE_DELETE", message, data, intent)

    def react(self, message: Message, emoji: str, user_id: int) -> bool:
        """Add a reaction; returns False if the user already has it."""
        who = message.reactions.setdefault(emoji, [])
        if user_id in who:
            return False
        who.append(user_id)
        data = self._reaction(message, emoji, user_id)
        data |= {"burst": False, "type": 0, "message_author_id": str(message.author_id)}
        if message.guild_id:
            guild = self._state.world.guilds[message.guild_id]
            data["member"] = member_payload(self._state.world, guild.members[user_id])
        self._tell_reaction("MESSAGE_REACTION_ADD", message, data)
        return True

    def unreact(self, message: Message, emoji: str, user_id: int) -> bool:
        """Remove a reaction; returns False if the user does not have it."""
        who = message.reactions.get(emoji, [])
        if user_id not in who:
            return False
        who.remove(user_id)
        if not who:
            del message.reactions[emoji]
        self._tell_reaction(
            "MESSAGE_REACTION_REMOVE", message, {**self._reaction(message, emoji, user_id), "burst": False, "type": 0}
        )
        return True

    def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        data: Json = {"channel_id": str(message.channel_id), "message_id": str(message.id)}
        if message.guild_id:
            data["guild_id"] = str(message.guild_id)
        if emoji is None:
            message.reactions.clear()
            self._tell_reaction("MESSAGE_REACTION_REMOVE_ALL", message, data)
        elif message.reactions.pop(emoji, None) is not None:
            self._tell_reaction("MESSAGE_REACTION_REMOVE_EMOJI", message, {**data, "emoji": emoji_payload(emoji)})

    def typing(self, channel: Channel, user_id: int) -> None:
        data: Json = {"channel_id": str(channel.id), "user_id": str(user_id), "timestamp": int(self._state.clock.now())}
        intent = Intent.DIRECT_MESSAGE_TYPING
        if channel.guild_id:
            intent = Intent.GUILD_MESSAGE_TYPING
            guild = self._state.world.guilds[channel.guild_id]
            data |= {"guild_id": str(guild.id), "member": member_payload(self._state.world, guild.members[user_id])}
        self._state.hub.publish(Event("TYPING_START", fixed(data), channel.guild_id, channel.id, intent))

    def _tell(self, name: str, message: Message) -> None:
        """Publish to all who see the message; an ephemeral one goes only to its user's page."""

        def render(viewer: int, content: bool) -> Json:
            data = self._state.show(message, viewer, content=content)
            return {
                **data,
                **self._around(message),
                "channel_type": int(self._state.world.channels[message.channel_id].type),
            }

        intent = self._intent(message, Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES)
        event = Event(name, render, message.guild_id, message.channel_id, intent, message.visible_to)
        self._state.hub.publish(event)

    def _around(self, message: Message) -> Json:
        """The extra fields of MESSAGE_CREATE (docs: events/gateway-events.mdx, "… Extra Fields")."""
        if message.guild_id is None:
            return {}
        guild = self._state.world.guilds[message.guild_id]
        author = guild.members.get(message.author_id)
        member = {"member": member_payload(self._state.world, author, with_user=False)} if author else {}
        return {"guild_id": str(message.guild_id), **member}

    def _reaction(self, message: Message, emoji: str, user_id: int) -> Json:
        data: Json = {"user_id": str(user_id), "channel_id": str(message.channel_id), "message_id": str(message.id)}
        if message.guild_id:
            data["guild_id"] = str(message.guild_id)
        return {**data, "emoji": emoji_payload(emoji)}

    def _tell_reaction(self, name: str, message: Message, data: Json) -> None:
        intent = self._intent(message, Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS)
        self._publish(name, message, data, intent)

    def _publish(self, name: str, message: Message, data: Json, intent: Intent) -> None:
        event = Event(name, fixed(data), message.guild_id, message.channel_id, intent, message.visible_to)
        self._state.hub.publish(event)

    @staticmethod
    def _intent(message: Message, in_guild: Intent, in_dm: Intent) -> Intent:
        return in_guild if message.guild_id else in_dm
